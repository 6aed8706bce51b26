"""The ports as one simulated host sees them: the world's store, blobs and broker, through that host's `operate`."""

from collections.abc import AsyncIterator, Sequence

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.proof.simulator.broker import Broker
from AgentOperatingSystem.proof.simulator.host import Host
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status


class HostStore:
    """`AgentStore`, over the wire."""

    def __init__(self, host: Host, store: AgentStore) -> None:
        self._host = host
        self._store = store

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        return await self._host.operate("store.load", lambda: self._store.load(agent))

    async def commit(self, change: Change) -> Committed:
        return await self._host.operate("store.commit", lambda: self._store.commit(change))

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        return await self._host.operate("store.event", lambda: self._store.event(agent, key))

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        return await self._host.operate("store.parked", lambda: self._store.parked(agent, due_by, limit))

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        return await self._host.operate("store.events", lambda: self._store.events(agent, status, after, limit))

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        return await self._host.operate("store.find", lambda: self._store.find(tenant, status, after, limit))

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        return await self._host.operate("store.row", lambda: self._store.row(agent, kind, name))

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        return await self._host.operate("store.rows", lambda: self._store.rows(agent, kind, prefix, after, limit))

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        return await self._host.operate("store.agents", lambda: self._store.agents(tenant, prefix, after, limit))

    async def erase(self, agent: AgentId) -> None:
        await self._host.operate("store.erase", lambda: self._store.erase(agent))

    async def close(self) -> None:
        """The store is the world's; a host only lets go of it."""


class HostBlobs:
    """`BlobStore`, over the wire."""

    def __init__(self, host: Host, blobs: BlobStore) -> None:
        self._host = host
        self._blobs = blobs

    async def put(self, content: bytes) -> str:
        return await self._host.operate("blobs.put", lambda: self._blobs.put(content))

    async def get(self, name: str) -> bytes:
        return await self._host.operate("blobs.get", lambda: self._blobs.get(name))

    def names(self) -> AsyncIterator[tuple[str, float]]:
        return self._blobs.names()

    async def delete(self, name: str, unless_put_after: float) -> bool:
        return await self._host.operate("blobs.delete", lambda: self._blobs.delete(name, unless_put_after))


class HostBus:
    """`MessageBus`, over the wire; what waits there is found, and no more is told."""

    def __init__(self, host: Host, broker: Broker) -> None:
        self._host = host
        self._broker = broker

    async def send(self, messages: Sequence[Message]) -> None:
        await self._host.operate("bus.send", lambda: self._broker.send(messages))

    async def offer(self, message: Message) -> None:
        await self._host.operate("bus.offer", lambda: self._broker.send([message]))

    async def keep(self, message: Message) -> None:
        """What was offered was sent: it is kept."""

    def waiting(self, message_id: str) -> Message | None:
        return None

    async def find(self, message_id: str) -> Message | None:
        return await self._host.operate("bus.find", lambda: self._find(message_id))

    async def _find(self, message_id: str) -> Message | None:
        return self._broker.find(message_id)

    async def turns(self) -> AsyncIterator[Turn]:
        while True:
            yield await self._host.receive(lambda: self._broker.next(self._host))

    async def settle(self, turn: Turn) -> None:
        await self._host.operate("bus.settle", lambda: self._broker.settle(turn))

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        await self._host.operate("bus.release", lambda: self._broker.release(turn, after_seconds))

    def begins(self, message_id: str) -> int:
        return 0

    def ended(self, message_id: str) -> None:
        """The broker cannot tell, and asked nothing."""

    async def close(self) -> None:
        """The broker is the world's; a host only lets go of it."""
