"""A whole system in memory, for tests in virtual time: the real kernel and its surroundings over stores and a broker
that need no thread and no file, so that what happens in which order follows from the test alone.

    system = await running(Counter)
    row = await system.handle("counter", data=1)

Two systems over one store and one broker are two hosts. `crash` is what `kill -9` is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Limits
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import MessageBus
from AgentOperatingSystem.orchestration.answering import AnswerDesk
from AgentOperatingSystem.orchestration.archive import Archivist
from AgentOperatingSystem.orchestration.builtin import FunctionHandler, Unrouted
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.effects import EffectsDesk
from AgentOperatingSystem.orchestration.jobs import JobCanceller
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.message_bus import ApplicationBus
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.pump import Pump
from AgentOperatingSystem.orchestration.quarantine import QuarantineDesk
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Route
from AgentOperatingSystem.orchestration.schedules import ScheduleDesk
from AgentOperatingSystem.orchestration.subscriptions import Subscriptions
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import EventRow, Head
from tests.clocks import CLOCK

DAY_SECONDS = 86_400.0
LOCK_SECONDS = 30.0
"""After this time, the broker delivers again what a host that crashed had in hand."""
Agents = Sequence[BaseAgent | type[BaseAgent]]
_names = count(1)


@dataclass
class World:
    """What outlives a host: the store, the blobs and the broker."""

    store: AgentStore = field(default_factory=MemoryAgentStore)
    blobs: BlobStore = field(default_factory=lambda: MemoryBlobStore(CLOCK))
    bus: MessageBus | None = None


class System:
    """One host."""

    def __init__(
        self,
        *agents: BaseAgent | type[BaseAgent],
        world: World | None = None,
        routes: Sequence[Route] = (),
        rules: Rules | None = None,
        limits: Limits | None = None,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        max_concurrent_turns: int = 256,
        dedupe_seconds: float = 30 * DAY_SECONDS,
        **parts: Any,
    ) -> None:
        self.world = world or World()
        self.registry = Registry()
        for system_agent in (Unrouted, FunctionHandler, JobCanceller):
            self.registry.register_system(system_agent)
        for agent in agents:
            self.registry.register(agent)
        self.subscriptions = Subscriptions(self.registry)
        if self.world.bus is None:
            self.world.bus = MemoryBus(
                CLOCK,
                self.subscriptions.copies,
                turn_events_max=turn_events_max,
                pending_max=pending_max,
                lock_seconds=LOCK_SECONDS,
            )
        self.bus = self.world.bus
        named = {"rules": rules or Rules(backoff_base_seconds=2.0), "limits": limits or Limits(), **parts}
        self.parts = Parts(
            self.world.store, self.world.blobs, self.bus, self.registry, CLOCK, jitter=lambda: 0.0, **named
        )
        self.kernel = Kernel(self.parts)
        self.mailroom = Mailroom(self.parts, self.kernel, routes, dedupe_seconds)
        self.message_bus = ApplicationBus(self.parts, self.mailroom, self.subscriptions, "default")
        self.lifecycle = Lifecycle(self.parts, self.kernel)
        self.quarantine = QuarantineDesk(self.parts, self.kernel, self.mailroom)
        self.answers = AnswerDesk(self.parts, self.kernel)
        self.effects = EffectsDesk(self.parts, self.kernel)
        self.archive = Archivist(self.parts, self.kernel)
        self.schedules = ScheduleDesk(self.parts, self.kernel)
        self.pump = Pump(self.kernel, self.bus, max_concurrent_turns)

    # --- events --------------------------------------------------------------------------------------------------

    async def handle(self, agent: AgentId | str, event_id: str = "", **fields: Any) -> EventRow:
        """Has an event handled, and answers its row at its end, which must come within a day."""
        row = await self.mailroom.process(event(agent, event_id, **fields), DAY_SECONDS)
        assert row is not None, "no end within a day"
        return row

    async def send(self, agent: AgentId | str, event_id: str = "", **fields: Any) -> Event:
        """Makes an event durable in its mailbox."""
        sent, _ = await self.mailroom.accept(event(agent, event_id, **fields))
        return sent

    async def send_together(self, *events: Event) -> None:
        """Events that come to the broker in one instant, past the mailroom."""
        await self.bus.send([event_message(each) for each in events])

    # --- looking -------------------------------------------------------------------------------------------------

    async def state(self, agent: AgentId | str) -> Any:
        """The committed state; None where there is none."""
        return await (await self.kernel.awaken_fresh(address(agent))).load_state()

    async def head(self, agent: AgentId | str) -> Head:
        """The committed head."""
        return (await self.kernel.awaken_fresh(address(agent))).head

    async def rows(self, agent: AgentId | str) -> dict[str, EventRow]:
        """All rows of an agent's events, by event id, in the order of their last change."""
        page = await self.world.store.events(address(agent), limit=10_000)
        return {row.event.id: row for row in page.items}

    async def row(self, agent: AgentId | str, event_id: str) -> EventRow:
        return (await self.rows(agent))[event_id]

    async def statuses(self, agent: AgentId | str) -> dict[str, str]:
        return {event_id: row.status.value for event_id, row in (await self.rows(agent)).items()}

    # --- the host ------------------------------------------------------------------------------------------------

    async def crash(self) -> None:
        """Everything that this host was doing ends at this instant."""
        await self.pump.drain(0.0)


def address(agent: AgentId | str) -> AgentId:
    return AgentId.parse(agent) if isinstance(agent, str) else agent


def event(agent: AgentId | str, event_id: str = "", **fields: Any) -> Event:
    """An event for an agent, named by itself where nobody names it."""
    to = address(agent)
    named = {"type": "test.happened", "source": "/test"} | fields
    return Event(id=event_id or f"e{next(_names)}", agent=to, tenant=to.tenant, **named)


async def running(*agents: BaseAgent | type[BaseAgent], **settings: Any) -> System:
    """A system whose pump turns. It ends with its loop."""
    system = System(*agents, **settings)
    await system.subscriptions.refresh(system.parts, "default")
    system.pump.start()
    return system


async def passed(seconds: float) -> None:
    """So much virtual time has passed, and everything that was due in it is done."""
    await asyncio.sleep(seconds)
    for _ in range(50):
        await asyncio.sleep(0)


def result_of(row: EventRow) -> Any:
    """The result that a row holds, as JSON has it."""
    return msgspec.json.decode(row.result) if isinstance(row.result, msgspec.Raw) else row.result
