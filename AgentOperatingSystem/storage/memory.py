"""The stores in memory: the smallest true implementations of the ports, for tests and the simulator.

The agents' store keeps encoded bytes, not objects, so that nobody changes what is stored by changing what was read.
"""

import math
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import msgspec

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import BlobNotFound, Conflict, Duplicate
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.blob_names import check_content, check_name, name_of
from AgentOperatingSystem.storage.cursors import event_cursor, place_of
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status

_encode = msgspec.json.Encoder().encode
_head: Final = msgspec.json.Decoder(Head)
T = TypeVar("T")
_row: Final = msgspec.json.Decoder(EventRow)


class Partition:
    """All that is kept of one agent."""

    def __init__(self) -> None:
        self.head = b""
        self.etag = ""
        self.events: dict[str, bytes] = {}
        self.rows: dict[tuple[str, str], bytes] = {}
        self.parked: dict[str, None] = {}
        """Keys of the events that are parked."""

    def check(self, change: Change) -> None:
        """The fence first, then the dedupe marks, then whether what moves is there; nothing is written yet."""
        if self.etag != change.etag:
            raise Conflict(f"{change.head.agent}: the stored ETag is {self.etag!r}, not {change.etag!r}")
        known = [row.key for row in change.inserts if row.key in self.events]
        if known:
            raise Duplicate(known)
        if any(row.key not in self.events for row in change.updates):
            raise Conflict(f"{change.head.agent}: a row that was to move on is gone")

    def apply(self, change: Change) -> str:
        """Writes everything; there is no way to fail from here."""
        self.head, self.etag = _encode(change.head), str(change.head.version)
        for row in (*change.inserts, *change.updates):
            self.events[row.key] = _encode(row)
            self.parked.pop(row.key, None)
            if row.status is Status.PARKED:
                self.parked[row.key] = None
        for key in change.deletes:
            self.events.pop(key, None)
            self.parked.pop(key, None)
        for small in change.rows:
            self._apply_row(small)
        return self.etag

    def _apply_row(self, row: Row) -> None:
        if row.value is None:
            self.rows.pop((row.kind, row.name), None)
        else:
            self.rows[row.kind, row.name] = row.value

    def all_events(self) -> list[EventRow]:
        return [_row.decode(row) for row in self.events.values()]


class MemoryAgentStore:
    """`AgentStore` in memory; keeps nothing when the process ends, and says so in its name."""

    def __init__(self) -> None:
        self._partitions: dict[AgentId, Partition] = {}

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        partition = self._partitions.get(agent)
        return (_head.decode(partition.head), partition.etag) if partition else None

    async def commit(self, change: Change) -> Committed:
        partition = self._partitions.get(change.head.agent) or Partition()
        partition.check(change)
        etag = partition.apply(change)
        self._partitions[change.head.agent] = partition
        return Committed(etag)

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        partition = self._partitions.get(agent)
        row = partition.events.get(key) if partition else None
        return _row.decode(row) if row else None

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        partition = self._partitions.get(agent) or Partition()
        rows = [row for row in (_row.decode(partition.events[key]) for key in partition.parked) if row.due <= due_by]
        return tuple(sorted(rows, key=lambda row: (row.order, row.key))[:limit])

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        place_of(after)
        rows = [
            (event_cursor(row.version, row.key), row) for row in self._events(agent) if status in (None, row.status)
        ]
        return _page(rows, after, limit)

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        found: list[tuple[str, EventRow]] = []
        for agent in self._partitions:
            if agent.tenant == tenant:
                rows = (row for row in self._events(agent) if row.status is status)
                found += [(f"{agent.partition}:{event_cursor(row.version, row.key)}", row) for row in rows]
        return _page(found, after, limit)

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        partition = self._partitions.get(agent)
        return partition.rows.get((kind, name)) if partition else None

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        partition = self._partitions.get(agent) or Partition()
        found = [
            (name, Row(of, name, value))
            for (of, name), value in partition.rows.items()
            if of == kind and name.startswith(prefix)
        ]
        return _page(found, after, limit)

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        heads = [
            (agent.partition, msgspec.structs.replace(_head.decode(partition.head), state=b""))
            for agent, partition in self._partitions.items()
            if tenant in ("", agent.tenant) and f"{agent.name}/{agent.key}".startswith(prefix)
        ]
        return _page(heads, after, limit)

    async def erase(self, agent: AgentId) -> None:
        self._partitions.pop(agent, None)

    async def close(self) -> None:
        """Nothing is held."""

    def _events(self, agent: AgentId) -> list[EventRow]:
        partition = self._partitions.get(agent)
        return partition.all_events() if partition else []


class MemoryBlobStore:
    """`BlobStore` in memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.blobs: dict[str, tuple[bytes, float]] = {}
        """Content and time of the last put, by name."""
        self._clock = clock or SystemClock()

    async def put(self, content: bytes) -> str:
        name = name_of(content)
        self.blobs[name] = (bytes(content), self._clock.now())
        return name

    async def get(self, name: str) -> bytes:
        if check_name(name) not in self.blobs:
            raise BlobNotFound(f"no blob {name}")
        return check_content(name, self.blobs[name][0])

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        for name, (_, put_at) in sorted(self.blobs.items()):
            yield name, put_at

    async def delete(self, name: str, unless_put_after: float) -> bool:
        _, put_at = self.blobs.get(check_name(name), (b"", -math.inf))
        if put_at > unless_put_after:
            return False
        self.blobs.pop(name, None)
        return True


def _page(found: list[tuple[str, T]], after: str, limit: int) -> Page[T]:
    ordered = sorted((pair for pair in found if pair[0] > after), key=lambda pair: pair[0])
    items = ordered[:limit]
    return Page(tuple(item for _, item in items), items[-1][0] if len(ordered) > limit else "")
