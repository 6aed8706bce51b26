"""Agents that would never stop are stopped at the configured limits, each with a reason, and nobody else is."""

from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time
LIMITS = Limits(hops_max=10, credits_max=50)
DAY_SECONDS = 86_400.0


class Ping(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        await context.send("pong")


class Pong(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        await context.send("ping")


class Breeder(BaseAgent):
    """Each event causes three more."""

    async def on_event(self, event: Event, context: Context) -> Any:
        for number in range(3):
            await context.send(f"breeder/{event.id[-30:]}-{number}")


class Clockwork(BaseAgent):
    """Wakes itself again at once, for ever."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await context.schedule("again", after_seconds=0.01)


class Talkers(BaseAgent):
    """A team that never comes to an end: each question is a new one."""

    async def on_event(self, event: Event, context: Context) -> Any:
        said = 0
        while True:
            said += 1
            await context.think(f"and then? {said}", model=MODEL)


class Neighbour(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return "well"


MODEL = ScriptedModel(lambda request: "yes")
AGENTS = (Ping, Pong, Breeder, Clockwork, Talkers, Neighbour)


async def rows_of(system: System, *names: str) -> list[EventRow]:
    heads = (await system.world.store.agents("default", limit=1000)).items
    found = [head.agent for head in heads if head.agent.name in names]
    return [row for agent in found for row in (await system.rows(agent)).values()]


@pytest.mark.parametrize(
    ("names", "events_max", "why"),
    [
        (("ping", "pong"), 11, "hop limit 10"),
        (("breeder",), 51, "credits exhausted"),
        (("clockwork",), 51, "limit"),
        (("talkers",), 1, "no end in sight"),
    ],
)
async def test_it_is_stopped_at_its_limit(names: tuple[str, ...], events_max: int, why: str) -> None:
    system = await running(*AGENTS, limits=LIMITS, rules=Rules(event_steps_max=30))
    await system.send(names[0], "begin")
    await passed(DAY_SECONDS)
    found = await rows_of(system, *names)
    stopped = [row for row in found if row.status is Status.QUARANTINED]
    assert 0 < len(found) <= events_max
    assert stopped
    assert all(why in row.reason for row in stopped)
    assert result_of(await system.handle("neighbour")) == "well"
