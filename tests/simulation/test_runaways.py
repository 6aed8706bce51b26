"""Runaways, in virtual time: each is stopped at its configured limit, nothing of it is lost, and a neighbour's events
all end meanwhile. What they cost the neighbour in milliseconds, `aos bench --only runaways` measures.
"""

from collections import Counter
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.conditions import text
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.team import TURNS_MAX, AgentTeam
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.systems import DAY_SECONDS, System, event, passed, running

pytestmark = pytest.mark.virtual_time
LIMITS = Limits(hops_max=12, credits_max=100)
turns: list[str] = []
"""Who was handled, in order."""


@pytest.fixture(autouse=True)
def nobody_was_handled() -> None:
    turns.clear()


class Neighbour(BaseAgent):
    """Counts."""

    async def on_event(self, event: Event, context: Context) -> int:
        turns.append("neighbour")
        self.state["count"] = self.state.get("count", 0) + 1
        return int(self.state["count"])


class Ball(BaseAgent):
    """Sends every event on to the other side."""

    async def on_event(self, event: Event, context: Context) -> None:
        turns.append("ball")
        await context.send(AgentId("ball", "b" if context.agent.key == "a" else "a"))


class Fan(BaseAgent):
    """Three for each, each for an agent of its own."""

    async def on_event(self, event: Event, context: Context) -> None:
        turns.append("fan")
        for _ in range(3):
            await context.send(AgentId("fan", context.uuid().hex))


class Echo(BaseAgent):
    """Publishes what it hears, in a group that hears what it publishes."""

    topics: ClassVar[tuple[str, ...]] = ("noise",)

    async def on_event(self, event: Event, context: Context) -> None:
        turns.append("echo")
        await context.publish("noise")


class Loop(BaseAgent):
    """Schedules itself, as soon and under as many names as its event says."""

    async def on_event(self, event: Event, context: Context) -> None:
        turns.append("loop")
        for number in range(event.data.get("names", 1)):
            schedule = {"cron": event.data["cron"]} if "cron" in event.data else {"after_seconds": event.data["after"]}
            await context.schedule(f"{context.uuid()} {number}", data=event.data, **schedule)


class Asker(BaseAgent):
    """Asks the next of its kind, and waits."""

    async def on_event(self, event: Event, context: Context) -> Any:
        turns.append("asker")
        return await context.ask(AgentId("asker", str(int(context.agent.key) + 1)))


class Impatient(BaseAgent):
    """Requests again whenever a request has timed out."""

    async def on_event(self, event: Event, context: Context) -> None:
        turns.append("impatient")
        await context.request("silent", timeout_seconds=1)


class Silent(BaseAgent):
    """Answers nobody."""

    async def on_event(self, event: Event, context: Context) -> None:
        context.defer()


async def run_away(system: System, agent: str, data: Any = None, events: int = 20) -> None:
    """Lets one run away, with events of a neighbour in the middle of it; all of those have to end at once."""
    await system.send(agent, "spark", data=data)
    for number in range(events):
        await system.send("neighbour", f"n{number}")
        await passed(0.05)
    assert await system.statuses("neighbour") == {f"n{number}": "done" for number in range(events)}
    await passed(DAY_SECONDS)


async def rows_of(system: System, name: str) -> list[EventRow]:
    """The rows of all agents of a type."""
    found: list[EventRow] = []
    after = ""
    while True:
        page = await system.world.store.agents("default", after=after, limit=1000)
        for head in page.items:
            if head.agent.name == name:
                found += (await system.rows(head.agent)).values()
        after = page.after
        if not after:
            return found


async def test_a_game_of_ping_pong_ends_at_the_hop_limit() -> None:
    system = await running(Ball, Neighbour, limits=LIMITS)
    await run_away(system, "ball/a")
    ended = await rows_of(system, "ball")
    assert Counter(row.status for row in ended) == {Status.DONE: 12, Status.QUARANTINED: 1}
    assert turns.count("ball") == 13
    (last,) = [row for row in ended if row.status is Status.QUARANTINED]
    assert "hop limit 12 reached" in last.reason


async def test_a_fan_out_ends_when_its_credits_are_spent() -> None:
    system = await running(Fan, Neighbour, limits=LIMITS)
    await run_away(system, "fan/first")
    ended = await rows_of(system, "fan")
    assert 50 < turns.count("fan") == len(ended) <= 101  # one spark, and a hundred that it may cause
    assert {row.status for row in ended} == {Status.DONE, Status.QUARANTINED}
    assert {row.reason.partition(":")[2].partition(":")[0].strip() for row in ended if row.reason} <= {
        "credits exhausted",
        "hop limit 12 reached",
    }


async def test_what_is_published_is_counted_for_every_subscriber() -> None:
    system = await running(Echo, Neighbour, limits=LIMITS)
    await run_away(system, "echo")
    assert turns.count("echo") <= 13


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"after": 0}, id="at once"),
        pytest.param({"after": 59}, id="soon"),
        pytest.param({"after": 0, "names": 3}, id="ever more"),
    ],
)
async def test_a_loop_of_schedules_ends_as_other_loops_do(data: Any) -> None:
    system = await running(Loop, Neighbour, limits=LIMITS)
    await run_away(system, "loop", data)
    assert 13 <= turns.count("loop") <= 101
    quarantined = [row for row in await rows_of(system, "loop") if row.status is Status.QUARANTINED]
    assert quarantined


async def test_a_schedule_of_seconds_cannot_set_more_of_its_kind() -> None:
    system = await running(Loop, Neighbour, limits=LIMITS)
    await system.send("loop", "spark", data={"cron": "* * * * * *"})
    await passed(30)
    assert 30 <= turns.count("loop") <= 32  # the spark, and each second one run, which is put aside
    assert set(Counter(row.status for row in await rows_of(system, "loop"))) == {Status.DONE, Status.QUARANTINED}


async def test_who_looks_every_minute_may_do_so_for_ever() -> None:
    system = await running(Loop, Neighbour, limits=LIMITS)
    await system.send("loop", "spark", data={"after": 60})
    await passed(100 * 60 + 1)
    assert turns.count("loop") == 101


async def test_who_asks_ever_further_is_stopped() -> None:
    system = await running(Asker, Neighbour, limits=LIMITS)
    await run_away(system, "asker/0")
    assert len({row.event.agent for row in await rows_of(system, "asker")}) == 13


async def test_who_asks_again_whenever_nobody_answers_is_stopped() -> None:
    system = await running(Impatient, Silent, Neighbour, limits=LIMITS)
    await run_away(system, "impatient")
    assert turns.count("impatient") == 13


async def test_a_team_that_nothing_ends_stops_after_its_turns() -> None:
    model = ScriptedModel(lambda request: "And then?")
    members = [PerpetualAgent(system_message=name, name=name, model=model) for name in ("a", "b")]
    team = AgentTeam(members, termination_condition=text("never said"), agent_id="team", name="team", model=model)
    system = await running(team, Neighbour, limits=LIMITS)
    row = await system.handle("team", data="Go.")
    assert row.status is Status.DONE
    assert len(model.requests) == TURNS_MAX
    assert b"Maximum number of turns 100 reached" in bytes(row.result or b"")


async def test_a_flood_lets_a_neighbour_between() -> None:
    system = System(Fan, Neighbour, limits=LIMITS, max_concurrent_turns=1)
    await system.send_together(*(event(f"fan/{number}", f"f{number}", hops=1) for number in range(50)))
    await system.send("neighbour", "n")
    system.pump.start()
    await passed(1)
    assert turns.index("neighbour") <= 1
