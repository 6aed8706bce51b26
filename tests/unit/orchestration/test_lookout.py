"""Whoever waits here for an event that another host handles finds its outcome in the store."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Event, fingerprint
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.lookout import LAST_SECONDS, Lookout
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.storage.records import EventRow
from AgentOperatingSystem.testing.memory_system import MemorySystem, World
from tests.clocks import CLOCK

pytestmark = pytest.mark.virtual_time
COUNTER = AgentId("counter")


class Counter(BaseAgent):
    """Counts what it handled, and takes as long as it is told."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data)
        self.state["count"] = self.state.get("count", 0) + 1
        return self.state["count"]


def waiting(system: MemorySystem, sent: Event) -> asyncio.Future[EventRow]:
    """Somebody on this host waits for the event."""
    return system.kernel.outcomes.wait(COUNTER, sent.key, fingerprint(sent))[0]


@pytest.mark.parametrize("seconds", [0.0, 0.5, 200.0])
async def test_the_outcome_of_another_host_is_found_within_a_second(seconds: float) -> None:
    async with MemorySystem(Counter) as there, MemorySystem(Counter, world=World(there.world.store)) as here:
        sent = here.event("counter", seconds, id="1")
        waiter = waiting(here, sent)
        lookout = Lookout(here.parts, here.kernel.outcomes)
        lookout.look(COUNTER, sent.key)
        lookout.look(COUNTER, sent.key)
        begun = CLOCK.now()
        await there.handle("counter", seconds, id="1")
        assert Mailroom.result_of(await waiter) == 1
        assert CLOCK.now() - begun <= seconds + LAST_SECONDS


async def test_it_stops_when_nobody_waits_any_more_and_begins_anew() -> None:
    async with MemorySystem(Counter) as there, MemorySystem(Counter, world=World(there.world.store)) as here:
        sent = here.event("counter", 0.0, id="1")
        lookout = Lookout(here.parts, here.kernel.outcomes)
        waiter = waiting(here, sent)
        lookout.look(COUNTER, sent.key)
        here.kernel.outcomes.leave(COUNTER, sent.key, waiter)
        await CLOCK.sleep(2 * LAST_SECONDS)
        assert lookout.looking == 0
        waiter = waiting(here, sent)
        lookout.look(COUNTER, sent.key)
        assert lookout.looking == 1
        await there.handle("counter", 0.0, id="1")
        assert Mailroom.result_of(await waiter) == 1


async def test_a_store_that_is_away_for_a_while_is_asked_again() -> None:
    async with MemorySystem(Counter) as there, MemorySystem(Counter, world=World(there.world.store)) as here:
        sent = here.event("counter", 0.0, id="1")
        row = await there.handle("counter", 0.0, id="1")

        class Store:
            troubles = 2

            async def event(self, agent: AgentId, key: str) -> EventRow:
                self.troubles -= 1
                if self.troubles >= 0:
                    raise StoreUnavailable("no answer")
                return row

        parts: Any = SimpleNamespace(store=Store(), clock=CLOCK)
        waiter = waiting(here, sent)
        Lookout(parts, here.kernel.outcomes).look(COUNTER, sent.key)
        assert Mailroom.result_of(await waiter) == 1
