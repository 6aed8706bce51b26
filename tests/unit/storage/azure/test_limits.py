"""At the limits of the service: byte-identical, or a clear `TooLarge` with nothing sent."""

import math
import random

import msgspec
import pytest

from AgentOperatingSystem.errors import StateUnreadable, TooLarge
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.azure import packing
from AgentOperatingSystem.storage.azure.drafts import Draft, Fence, drafted
from AgentOperatingSystem.storage.records import Change, EventRow, Head, Row
from tests.azure_service import Service
from tests.contract.samples import COUNTER, Writer, change, message, parked, row

KIB, MIB = packing.KIB, packing.MIB
OTHER = AgentId("other")


def draft_of(moved: Change) -> Draft:
    return drafted(moved, Fence(""), "c" * 32, 0.0)


@pytest.mark.parametrize("size", [0, 1, 63 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 65 * KIB])
async def test_a_value_about_one_property_lies_in_the_table(azure: Service, size: int) -> None:
    content = random.Random(size).randbytes(size)
    await Writer(azure.store).commit(head=Head(agent=COUNTER, state=content), rows=(Row("memory", "n", content),))
    assert "blob" not in azure.wire.take()
    found = await azure.store.load(COUNTER)
    assert found is not None
    assert found[0].state == content
    assert await azure.store.row(COUNTER, "memory", "n") == content


@pytest.mark.parametrize("size", [448 * KIB + 1, MIB - 10 * KIB, MIB, MIB + 10 * KIB, 4 * MIB, 10 * MIB])
async def test_a_value_beyond_an_entity_lies_in_a_blob(azure: Service, size: int) -> None:
    content = random.Random(size).randbytes(size)
    text = content.hex()[: size // 2]
    await Writer(azure.store).commit(
        head=Head(agent=COUNTER, state=content), inserts=(row("1", data=text),), rows=(Row("memory", "n", content),)
    )
    assert azure.wire.take()["blob"] >= 2
    found = await azure.store.load(COUNTER)
    assert found is not None
    assert found[0].state == content
    assert (await azure.store.rows(COUNTER, "memory")).items == (Row("memory", "n", content),)
    stored = await azure.store.event(COUNTER, row("1").key)
    assert stored is not None
    assert stored.event.data == text
    assert [head.state for head in (await azure.store.agents("default")).items] == [b""]


async def test_the_largest_value_comes_back_whole_and_one_byte_more_is_refused(azure: Service) -> None:
    content = random.Random(100).randbytes(MIB) * 100
    await Writer(azure.store).commit(head=Head(agent=COUNTER, state=content))
    assert azure.wire.take() == {"blob": 1, "write": 1, "transaction": 1}
    found = await azure.store.load(COUNTER)
    assert found is not None
    assert found[0].state == content
    with pytest.raises(TooLarge) as refused:
        await azure.store.commit(change(version=2, etag=found[1], head=Head(agent=COUNTER, state=content + b"x")))
    assert refused.value.status == 413
    assert "write" not in azure.wire.take()


async def test_many_values_that_fit_alone_but_not_together_are_divided(azure: Service) -> None:
    """Sixty-four events of 100 KiB are 6.4 MiB: what a transaction has no room for goes to blobs."""
    rows = tuple(row(f"{number}", data="d" * 100 * KIB) for number in range(64))
    await Writer(azure.store).commit(inserts=rows)
    sent = azure.wire.take()
    assert sent["transaction"] == 1
    assert 20 < sent["blob"] < 64
    assert 0.9 * packing.TRANSACTION_BYTES_MAX < azure.wire.bytes_max <= packing.TRANSACTION_BYTES_MAX
    listed = (await azure.store.events(COUNTER, limit=64)).items
    assert sorted(each.event.id for each in listed) == sorted(each.event.id for each in rows)
    assert all(each.event.data == "d" * 100 * KIB for each in listed)


@pytest.mark.parametrize("count", [99, 100, 101])
async def test_an_event_may_have_any_number_of_outputs(azure: Service, count: int) -> None:
    outputs: tuple[Message, ...] = tuple(message(f"out-{n}", OTHER, data="🙂" * 2000) for n in range(count))
    await Writer(azure.store).commit(inserts=(row("1", outputs=outputs),))
    found = await azure.store.event(COUNTER, row("1").key)
    assert found is not None
    assert found.outputs == outputs


@pytest.mark.parametrize("size", [32 * KIB - 1, 32 * KIB, 32 * KIB + 1])
async def test_emoji_at_the_limit_of_a_text_come_back(azure: Service, size: int) -> None:
    text = "🙂" * (size // 2) + "x" * (size % 2)
    await Writer(azure.store).commit(inserts=(row("1", data=text, reason=text),))
    found = await azure.store.event(COUNTER, row("1").key)
    assert found is not None
    assert (found.event.data, found.reason) == (text, text)


# --- operations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [97, 98, 99])
async def test_hints_that_find_no_room_are_written_ahead(azure: Service, events: int) -> None:
    writer = Writer(azure.store)
    rows = tuple(parked(f"{number}", number) for number in range(events))
    await writer.commit(inserts=rows)
    assert azure.wire.take() == {"write": 2 if events == 97 else 4, "transaction": 1}
    assert len(await azure.store.parked(COUNTER, math.inf, 1000)) == events
    assert len((await azure.store.events(COUNTER, limit=1000)).items) == events


async def test_a_hundred_operations_are_the_most(azure: Service) -> None:
    rows = tuple(Row("memory", f"{number}", b"1") for number in range(100))
    with pytest.raises(TooLarge, match="changes 101 entities at once; one transaction holds 100"):
        await azure.store.commit(change(rows=rows))
    assert azure.wire.take() == {}
    await azure.store.commit(change(rows=rows[:99]))
    assert azure.wire.bytes_max < 99 * packing.request_bytes({"PartitionKey": "", "RowKey": ""})  # so it is a bound
    assert len((await azure.store.rows(COUNTER, "memory")).items) == 99


async def test_ninety_rows_go_in_one_transaction_even_where_some_are_gone_already(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit(inserts=tuple(row(f"{number}") for number in range(90)))
    azure.wire.take()
    await writer.commit(deletes=tuple(row(f"{number}").key for number in range(45, 99)))
    assert azure.wire.take()["transaction"] == 2  # refused for the nine, then done without them
    assert len((await azure.store.events(COUNTER, limit=1000)).items) == 45


# --- what is refused before anything is sent --------------------------------------------------------------------------


def test_the_largest_value_has_a_limit() -> None:
    largest = b"\x00" * packing.OVERFLOW_BYTES_MAX
    assert len(draft_of(change(head=Head(agent=COUNTER, state=largest))).overflow) == 1
    with pytest.raises(TooLarge, match="has a value of 104857601 bytes"):
        draft_of(change(head=Head(agent=COUNTER, state=largest + b"\x00")))
    with pytest.raises(TooLarge, match="the most that one change may have"):
        draft_of(change(rows=tuple(Row("memory", f"{n}", largest) for n in range(3))))


def test_a_draft_never_passes_the_limits_of_the_service() -> None:
    """Random changes: what is drafted fits, and every value is either in its entity or in a blob."""
    chance = random.Random(3)
    for _ in range(60):
        rows = [_random_row(chance, number) for number in range(chance.randint(0, 90))]
        draft = draft_of(change(head=Head(agent=COUNTER, state=_random_bytes(chance)), inserts=tuple(rows)))
        sizes = [packing.request_bytes(operation.entity) for operation in draft.operations]
        assert sum(sizes) <= packing.TRANSACTION_BYTES_MAX
        assert len(sizes) <= packing.OPERATIONS_MAX
        assert all(packing.entity_bytes(each.entity) <= packing.ENTITY_BYTES_MAX for each in draft.operations)
        stored = {each.entity["RowKey"]: each.entity for each in draft.operations}
        for each in rows:
            entity = stored[f"e|{each.key}"]
            inside = packing.get_value(entity, "r")
            assert inside == msgspec.json.encode(each) or (not inside and entity["r_out"])


def _random_bytes(chance: random.Random) -> bytes:
    return b"x" * int(2 ** chance.uniform(0, 21))


def _random_row(chance: random.Random, number: int) -> EventRow:
    return row(f"{number}", data="x" * int(2 ** chance.uniform(0, 18)))


def test_an_entity_that_the_service_would_refuse_is_refused_here() -> None:
    entity = {"PartitionKey": "p", "RowKey": "r", "long": "x" * (32 * KIB + 1)}
    with pytest.raises(TooLarge, match="property long of 65542 bytes"):
        packing.check_entity(entity, "it")
    whole = {"PartitionKey": "p", "RowKey": "r"} | {f"p{n}": b"x" * 64 * KIB for n in range(16)}
    with pytest.raises(TooLarge, match="makes an entity of"):
        packing.check_entity(whole, "it")
    with pytest.raises(TooLarge, match="one transaction holds 4194304"):
        packing.check_transaction(1, 4 * MIB + 1, "it")


def test_a_property_of_another_kind_is_no_value() -> None:
    with pytest.raises(StateUnreadable, match="property r0"):
        packing.get_value({"r0": "text"}, "r")
