"""A whole system in memory, for tests: the real kernel over stores and a broker that need no thread and no file.

In virtual time (`run_virtual`), what happens in which order follows from the test alone, and a schedule of next month
costs nothing. Two systems over one `World` are two hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.clock import Clock, LoopClock
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.orchestration.builtin import FunctionHandler, Unrouted
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.history import ALL
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.pump import Pump
from AgentOperatingSystem.orchestration.recordings import Recording, record
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Route
from AgentOperatingSystem.orchestration.subscriptions import Subscriptions
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import EventRow

DAY_SECONDS = 86_400.0
LOCK_SECONDS = 30.0
"""After this time, the broker delivers again what a host that crashed had in hand."""
_CLOCK = LoopClock()
_TENANT = "default"


@dataclass
class World:
    """What outlives a host: the store, the blobs, and the broker, which the first host makes."""

    store: AgentStore = field(default_factory=MemoryAgentStore)
    blobs: BlobStore = field(default_factory=lambda: MemoryBlobStore(_CLOCK))
    bus: MemoryBus | None = None


class MemorySystem:
    """One host in memory. `async with MemorySystem(Counter) as system: await system.tell("counter", 1)`."""

    def __init__(
        self,
        *agents: BaseAgent | type[BaseAgent],
        routes: Sequence[Route] = (),
        world: World | None = None,
        clock: Clock | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.world = world or World()
        self.clock = clock or _CLOCK
        registry = Registry()
        for each in (Unrouted, FunctionHandler):
            registry.register_system(each)
        for agent in agents:
            registry.register(agent)
        self.subscriptions = Subscriptions(registry)
        if self.world.bus is None:
            self.world.bus = MemoryBus(self.clock, self.subscriptions.copies, lock_seconds=LOCK_SECONDS)
        rules = rules or Rules(history_states=ALL)
        parts = Parts(self.world.store, self.world.blobs, self.world.bus, registry, self.clock, _no_jitter, rules=rules)
        self.parts = parts
        self.kernel = Kernel(parts)
        self.mailroom = Mailroom(parts, self.kernel, routes, 30 * DAY_SECONDS)
        self.lifecycle = Lifecycle(parts, self.kernel)
        self.cancelling = CancelDesk(parts, self.kernel)
        self._pump = Pump(self.kernel, self.world.bus, 256)
        self._ids = count(1)

    async def __aenter__(self) -> Self:
        await self.subscriptions.refresh(self.parts, _TENANT)
        self._pump.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.crash()

    async def tell(self, agent: AgentId | str, data: Any = None, **fields: Any) -> Any:
        """Has an event handled, and answers its agent's result.

        Raises `EventFailed` where it ended otherwise, `TimeoutError` where it has not ended within a day. `fields` are
        an event's own, such as `type`, `id` and `conversation`.
        """
        row = await self.handle(agent, data, **fields)
        return self.mailroom.result_of(row)

    async def handle(self, agent: AgentId | str, data: Any = None, **fields: Any) -> EventRow:
        """As `tell`, but answers the event's row, whatever became of it."""
        row = await self.mailroom.process(self.event(agent, data, **fields), DAY_SECONDS)
        if row is None:
            raise TimeoutError(f"the event for {agent} has not ended within a day")
        return row

    async def send(self, agent: AgentId | str, data: Any = None, **fields: Any) -> Event:
        """Makes an event durable, and does not wait for it."""
        sent, _ = await self.mailroom.accept(self.event(agent, data, **fields))
        return sent

    def event(self, agent: AgentId | str, data: Any = None, **fields: Any) -> Event:
        """An event for an agent, with an id of its own where `fields` name none."""
        to = self.address(agent)
        named = {"type": "aos.message", "source": "/test", "id": f"e{next(self._ids)}"} | fields
        return Event(agent=to, tenant=to.tenant, data=data, **named)

    async def state(self, agent: AgentId | str) -> Any:
        """The committed state as a JSON value; None where there is none."""
        return await (await self.kernel.awaken_fresh(self.address(agent))).load_state()

    async def recall(self, agent: AgentId | str, key: str) -> Any:
        """What the agent remembers under a key."""
        return await (await self.kernel.awaken_fresh(self.address(agent))).recall(key)

    async def history(self, agent: AgentId | str) -> list[EventRow]:
        """The rows of the agent's events, in the order of their last change."""
        page = await self.world.store.events(self.address(agent), limit=1000)
        return list(page.items)

    async def record(self, agent: AgentId | str, event_id: str, source: str = "/test") -> Recording:
        """One of its events as a recording, to be replayed. Raises `NotFound` where the state before it is gone."""
        address = self.address(agent)
        for row in await self.history(agent):
            if (row.event.id, row.event.source) == (event_id, source):
                return await record(self.parts, address, row)
        raise LookupError(f"{address} has no event {event_id!r} from {source!r}")

    async def crash(self) -> None:
        """Everything that this host was doing ends at this instant, as by `kill -9`; its world stays."""
        await self._pump.drain(0.0)

    def address(self, agent: AgentId | str) -> AgentId:
        """The agent's address; `name` or `name/key`."""
        return AgentId.parse(agent, _TENANT) if isinstance(agent, str) else agent


def _no_jitter() -> float:
    return 0.0
