"""Azure's services as applications use them, on the emulator."""

import asyncio
import os
from typing import Any

import pytest

from AgentOperatingSystem import storage
from AgentOperatingSystem.errors import BlobNotFound, ConfigurationError, Conflict, InvalidInput, StoreError, TooLarge
from AgentOperatingSystem.storage import AzureBlobStorage, AzureQueueStorage, AzureTableStorage, CosmosDBStorage
from AgentOperatingSystem.storage.azure.services.naming import escaped, key_of
from tests.contract.samples import ODD_TEXTS
from tests.cosmos_server import KEY, cosmos_endpoint
from tests.emulator import emulator, fresh_prefix

KIB = 1024


@pytest.mark.parametrize("key", ODD_TEXTS)
def test_keys_are_written_so_that_they_can_be_read_again(key: str) -> None:
    if len(key) < 300:
        assert key_of(escaped(key)) == key
        assert escaped(key + "/more").startswith(escaped(key))


def test_keys_that_no_service_takes_are_refused() -> None:
    for key in ("x" * 1000, "\ud800"):
        with pytest.raises(InvalidInput, match="key"):
            escaped(key)


async def test_blobs_are_put_listed_and_removed() -> None:
    container = fresh_prefix()
    async with AzureBlobStorage(emulator().connection_string) as blobs:
        first = await blobs.upload(container, "reports/a b.txt", "grüße")
        assert await blobs.download(container, "reports/a b.txt") == "grüße".encode()
        assert await blobs.upload(container, "reports/a b.txt", b"\x00\xff") != first
        with pytest.raises(Conflict):
            await blobs.upload(container, "reports/a b.txt", b"", overwrite=False)
        await blobs.upload(container, "other", b"")
        page = await blobs.list_blobs(container, limit=1)
        assert (page.items, bool(page.after)) == (("other",), True)
        assert (await blobs.list_blobs(container, after=page.after)).items == ("reports/a b.txt",)
        await blobs.delete_blob(container, "other")
        await blobs.delete_blob(container, "other")
        for place in ("other", "never"):
            with pytest.raises(BlobNotFound, match=f"no blob '{place}'"):
                await blobs.download(container, place)


async def test_entities_are_kept_queried_and_fenced() -> None:
    table = fresh_prefix()
    async with AzureTableStorage(emulator().connection_string) as tables:
        entity: dict[str, Any] = {"PartitionKey": "shop", "RowKey": "1", "price": 9.5, "count": 3, "new": True}
        etag = await tables.insert(table, entity)
        assert await tables.get(table, "shop", "1") == entity | {"etag": etag}
        with pytest.raises(Conflict):
            await tables.insert(table, entity)
        second = await tables.upsert(table, entity | {"price": 12.0}, etag)
        with pytest.raises(Conflict):
            await tables.upsert(table, entity, etag)
        for row, price in (("2", 3.0), ("3", 20.0)):
            await tables.upsert(table, {"PartitionKey": "shop", "RowKey": row, "price": price})
        found = await tables.query(
            table, "PartitionKey eq @p and price gt @least", {"p": "shop", "least": 10.0}, limit=1
        )
        rest = await tables.query(
            table, "PartitionKey eq @p and price gt @least", {"p": "shop", "least": 10.0}, after=found.after
        )
        assert [each["RowKey"] for each in (*found.items, *rest.items)] == ["1", "3"]
        with pytest.raises(Conflict):
            await tables.remove(table, "shop", "1", etag)
        await tables.remove(table, "shop", "1", second)
        assert await tables.get(table, "shop", "1") is None
        await tables.remove(table, "shop", "1")
        with pytest.raises(Conflict):
            await tables.remove(table, "shop", "1", second)


@pytest.mark.parametrize("size", [63 * KIB, 64 * KIB, 65 * KIB, 900 * KIB])
async def test_large_properties_come_back_whole(size: int) -> None:
    table = fresh_prefix()
    async with AzureTableStorage(emulator().connection_string) as tables:
        for row, value in (("b", os.urandom(size)), ("t", "ü" * (size // 2)), ("e", "🙂" * (size // 4))):
            await tables.insert(table, {"PartitionKey": "p", "RowKey": row, "body": value})
            found = await tables.get(table, "p", row)
            assert found is not None
            assert found["body"] == value
            assert set(found) == {"PartitionKey", "RowKey", "body", "etag"}


async def test_an_entity_above_the_services_limit_is_refused() -> None:
    async with AzureTableStorage(emulator().connection_string) as tables:
        with pytest.raises(TooLarge):
            await tables.insert("never", {"PartitionKey": "p", "RowKey": "r", "body": bytes(1025 * KIB)})
        with pytest.raises(TooLarge):
            await tables.save("key", "x" * (1025 * KIB))
        with pytest.raises(InvalidInput, match="PartitionKey"):
            await tables.insert("never", {"RowKey": "r"})


async def test_a_message_is_taken_extended_and_completed() -> None:
    queue = fresh_prefix()
    async with AzureQueueStorage(emulator().connection_string) as queues:
        await queues.send(queue, {"text": "grüße <&> 🙂"})
        assert await queues.peek(queue) == [{"text": "grüße <&> 🙂"}]
        (first,) = await queues.receive(queue, visibility_seconds=60)
        assert (first.data, first.deliveries) == ({"text": "grüße <&> 🙂"}, 1)
        assert await queues.receive(queue) == []
        held = await queues.extend(queue, first, 0)
        with pytest.raises(Conflict, match="taken by somebody else"):
            await queues.complete(queue, first)
        (again,) = await queues.receive(queue)
        assert (again.id, again.deliveries) == (held.id, 2)
        await queues.complete(queue, again)
        with pytest.raises(Conflict):
            await queues.complete(queue, again)
        assert await queues.length(queue) == 0


async def test_a_delayed_message_comes_later() -> None:
    queue = fresh_prefix()
    async with AzureQueueStorage(emulator().connection_string) as queues:
        await queues.send(queue, 1, delay_seconds=1)
        assert await queues.receive(queue) == []
        await asyncio.sleep(1.2)
        assert [each.data for each in await queues.receive(queue)] == [1]


async def test_what_is_taken_too_often_is_poison() -> None:
    queue = fresh_prefix()
    async with AzureQueueStorage(emulator().connection_string, deliveries_max=2) as queues:
        await queues.send(queue, {"bad": 1})
        for _ in range(2):
            (taken,) = await queues.receive(queue)
            await queues.extend(queue, taken, 0)
        assert await queues.receive(queue) == []
        assert await queues.length(queue) == 0
        assert await queues.peek(f"{queue}-poison") == [{"bad": 1}]


async def test_a_message_above_the_queues_limit_is_refused() -> None:
    async with AzureQueueStorage(emulator().connection_string) as queues:
        with pytest.raises(TooLarge, match="put it into a blob"):
            await queues.send("never", "x" * 48 * KIB)


async def test_documents_as_far_as_an_imitation_can_show() -> None:
    options: dict[str, Any] = {"endpoint": cosmos_endpoint(), "credential": KEY, "enable_endpoint_discovery": False}
    async with CosmosDBStorage(**options, database=fresh_prefix()) as documents:
        first = await documents.save("shop/1", {"price": 9.5}, etag="")
        assert await documents.load_with_etag("shop/1") == ({"price": 9.5}, first)
        with pytest.raises(Conflict):
            await documents.save("shop/1", {"price": 1}, etag="")
        second = await documents.save("shop/1", {"price": 12}, etag=first)
        for etag in (first, '"other"'):
            with pytest.raises(Conflict):
                await documents.save("shop/1", {"price": 1}, etag=etag)
            with pytest.raises(Conflict):
                await documents.delete("shop/1", etag=etag)
        await documents.save("shop/2", {"price": 3})
        assert await documents.load("shop/1") == {"price": 12}
        assert (await documents.list("shop/")).items == ("shop/1", "shop/2")
        text = 'SELECT c.id FROM c WHERE c.collection = @collection AND c["value"].price > @least'
        assert [each["id"] for each in (await documents.query(text, {"@least": 10})).items] == ["shop=2F1"]
        with pytest.raises(StoreError):
            await documents.query("SELECT nonsense FROM")
        await documents.delete("shop/1", etag=second)
        assert (await documents.list()).items == ("shop/2",)


@pytest.mark.parametrize("kind", [AzureBlobStorage, AzureTableStorage, AzureQueueStorage])
def test_a_service_needs_to_be_told_where(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a connection string or an account URL"):
        kind()
    with pytest.raises(ConfigurationError, match=kind.__name__):
        kind("nonsense")


def test_cosmos_needs_to_be_told_where() -> None:
    with pytest.raises(ConfigurationError, match="needs a connection string or an endpoint"):
        CosmosDBStorage()


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'AzureFileStorage'"):
        storage.AzureFileStorage  # noqa: B018
