"""Orphans go; what a head refers to, what is young and what is put again meanwhile stays."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.collector import collect
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, Head
from tests.clocks import ManualClock

HOUR = 3600.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def blobs(clock: ManualClock) -> MemoryBlobStore:
    return MemoryBlobStore(clock)


async def point_at(store: MemoryAgentStore, agent: AgentId, blob: str) -> None:
    """Commits a state that lies in `blob`."""
    found = await store.load(agent)
    head, etag = found or (Head(agent=agent), "")
    moved = msgspec.structs.replace(head, version=head.version + 1, state_blob=blob)
    await store.commit(Change(head=moved, etag=etag))


async def test_an_orphan_goes_when_it_is_old(blobs: MemoryBlobStore, clock: ManualClock) -> None:
    name = await blobs.put(b"orphan")
    clock.time += HOUR - 1
    assert await collect(MemoryAgentStore(), blobs, HOUR, clock) == 0
    clock.time += 2
    assert await collect(MemoryAgentStore(), blobs, HOUR, clock) == 1
    with pytest.raises(BlobNotFound):
        await blobs.get(name)


async def test_what_a_head_of_any_tenant_refers_to_stays(blobs: MemoryBlobStore, clock: ManualClock) -> None:
    store = MemoryAgentStore()
    kept = [await blobs.put(f"state {number}".encode()) for number in range(2500)]
    for number, name in enumerate(kept):
        await point_at(store, AgentId("keeper", f"{number}", f"tenant{number % 7}"), name)
    await blobs.put(b"orphan")
    clock.time += 365 * 24 * HOUR
    assert await collect(store, blobs, HOUR, clock) == 1
    assert sorted(blobs.blobs) == sorted(kept)


async def test_a_newer_state_orphans_the_older_one(blobs: MemoryBlobStore, clock: ManualClock) -> None:
    store = MemoryAgentStore()
    old, new = await blobs.put(b"old"), await blobs.put(b"new")
    await point_at(store, AgentId("keeper"), old)
    await point_at(store, AgentId("keeper"), new)
    clock.time += 2 * HOUR
    assert await collect(store, blobs, HOUR, clock) == 1
    assert list(blobs.blobs) == [new]


class Interrupting(MemoryAgentStore):
    """While its heads are being listed, a writer puts an old orphan again; it commits after the list."""

    def __init__(self, blobs: MemoryBlobStore, content: bytes) -> None:
        super().__init__()
        self.blobs = blobs
        self.content = content

    async def agents(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def]  # as the port's
        page = await super().agents("")
        await self.blobs.put(self.content)
        return page


async def test_a_writer_that_puts_an_orphan_again_keeps_it(blobs: MemoryBlobStore, clock: ManualClock) -> None:
    name = await blobs.put(b"wanted again")
    clock.time += 2 * HOUR
    store = Interrupting(blobs, b"wanted again")
    assert await collect(store, blobs, HOUR, clock) == 0
    await point_at(store, AgentId("keeper"), name)
    assert await blobs.get(name) == b"wanted again"


class Committing(MemoryBlobStore):
    """After the last name is listed, a writer that put its blob long ago commits."""

    def __init__(self, clock: ManualClock, store: MemoryAgentStore) -> None:
        super().__init__(clock)
        self.store = store

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        async for name, put_at in super().names():
            yield name, put_at
            await point_at(self.store, AgentId("slow"), name)


async def test_who_commits_while_the_names_are_listed_keeps_his_blob(clock: ManualClock) -> None:
    store = MemoryAgentStore()
    blobs = Committing(clock, store)
    await blobs.put(b"late")
    clock.time += 2 * HOUR
    assert await collect(store, blobs, HOUR, clock) == 0


async def test_no_blob_no_reading_of_heads(blobs: MemoryBlobStore, clock: ManualClock) -> None:
    class Unreadable(MemoryAgentStore):
        async def agents(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def]  # as the port's
            raise AssertionError("nothing is old, so nobody needs to be asked")

    await blobs.put(b"young")
    assert await collect(Unreadable(), blobs, HOUR, clock) == 0
