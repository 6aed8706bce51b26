"""What `save`, `load`, `delete` and `list` promise wherever they are (specification row 106): one suite everywhere.

Cosmos DB is in it where `AOS_TEST_COSMOS` has a connection string of a live account; its imitation is not good enough.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from AgentOperatingSystem.errors import Conflict, InvalidEvent
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Page
from AgentOperatingSystem.storage.repository import ABSENT, Repository
from tests.clocks import CLOCK
from tests.contract.conftest import sqlite_store
from tests.emulator import emulator, fresh_prefix


class KeyValues(Protocol):
    """Values under keys."""

    async def save(self, key: str, value: Any, etag: str | None = None) -> str: ...
    async def load(self, key: str, default: Any = None) -> Any: ...
    async def load_with_etag(self, key: str) -> tuple[Any, str]: ...
    async def delete(self, key: str, etag: str | None = None) -> None: ...
    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]: ...


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[KeyValues]:
    yield Repository(MemoryAgentStore(), MemoryBlobStore(CLOCK))


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[KeyValues]:
    async with sqlite_store(folder) as store:
        yield Repository(store, MemoryBlobStore(CLOCK))


@asynccontextmanager
async def blobs(folder: Path) -> AsyncIterator[KeyValues]:
    from AgentOperatingSystem.storage import AzureBlobStorage

    async with AzureBlobStorage(emulator().connection_string, container=fresh_prefix()) as storage:
        yield storage


@asynccontextmanager
async def tables(folder: Path) -> AsyncIterator[KeyValues]:
    from AgentOperatingSystem.storage import AzureTableStorage

    async with AzureTableStorage(emulator().connection_string, table=fresh_prefix()) as storage:
        yield storage


@asynccontextmanager
async def live_cosmos(folder: Path) -> AsyncIterator[KeyValues]:
    from AgentOperatingSystem.storage import CosmosDBStorage

    text = os.environ["AOS_TEST_COSMOS"]
    async with CosmosDBStorage(text, database="aos-tests", collection=fresh_prefix()) as storage:
        yield storage


BACKENDS: dict[str, Callable[[Path], AbstractAsyncContextManager[KeyValues]]] = {
    "memory": memory,
    "embedded": embedded,
    "blobs": blobs,
    "tables": tables,
}
if os.environ.get("AOS_TEST_COSMOS"):
    BACKENDS["cosmos"] = live_cosmos


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyValues]:
    async with BACKENDS[request.param](tmp_path) as storage:
        yield storage


async def test_values_come_back_with_their_etags(storage: KeyValues) -> None:
    for value in (None, 0, "", [1, {"a": None}], {"ä": "🙂"}, "x" * 200_000):
        etag = await storage.save("key", value)
        assert await storage.load("key", default="other") == value
        assert await storage.load_with_etag("key") == (value, etag)


async def test_what_is_not_there(storage: KeyValues) -> None:
    assert await storage.load("key") is None
    assert await storage.load("key", default=3) == 3
    assert await storage.load_with_etag("key") == (None, ABSENT)
    await storage.delete("key")
    assert (await storage.list()).items == ()


async def test_an_etag_fences(storage: KeyValues) -> None:
    first = await storage.save("key", 1, etag=ABSENT)
    with pytest.raises(Conflict):
        await storage.save("key", 2, etag=ABSENT)
    second = await storage.save("key", 2, etag=first)
    with pytest.raises(Conflict):
        await storage.save("key", 3, etag=first)
    with pytest.raises(Conflict):
        await storage.delete("key", etag=first)
    assert await storage.load_with_etag("key") == (2, second)
    await storage.delete("key", etag=second)
    with pytest.raises(Conflict):
        await storage.save("key", 4, etag=second)
    assert await storage.load_with_etag("key") == (None, ABSENT)


async def test_of_many_who_read_the_same_one_writes(storage: KeyValues) -> None:
    etag = await storage.save("key", 0)
    tries = await asyncio.gather(*(storage.save("key", n, etag) for n in range(6)), return_exceptions=True)
    assert sorted(isinstance(each, Conflict) for each in tries) == [False, *[True] * 5]


async def test_keys_are_listed_by_prefix_in_pages(storage: KeyValues) -> None:
    keys = ["a", "a/1", "a/2", "a.b", "b", "ü", "A", "100 % #?", "x" * 200]
    for key in keys:
        await storage.save(key, key)
    assert sorted((await storage.list()).items) == sorted(keys)
    assert sorted((await storage.list("a/")).items) == ["a/1", "a/2"]
    seen: list[str] = []
    after = ""
    while True:
        page = await storage.list("a", after=after, limit=2)
        seen += page.items
        after = page.after
        if not after:
            break
    assert sorted(seen) == ["a", "a.b", "a/1", "a/2"]


async def test_what_is_no_json_is_refused(storage: KeyValues) -> None:
    with pytest.raises(InvalidEvent, match="not a JSON value"):
        await storage.save("key", object())
