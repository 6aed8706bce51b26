"""Schedules on a running system: single runs and cron, idempotent by name, through pauses, outages and restarts."""

import asyncio
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.clock import from_iso, iso
from AgentOperatingSystem.errors import InvalidSchedule, Retryable, UnknownSchedule
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
CLOCKED = AgentId("clocked")
HOUR = 3600.0


class Clocked(BaseAgent):
    """Does with schedules what it is told to, and records its runs with their times."""

    runs: ClassVar[list[tuple[str, str, float]]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "do":
            method, fields = event.data
            await getattr(context, method)(**fields)
            return
        self.runs.append((event.subject, iso(event.time)[11:16], CLOCK.now()))
        self.state["runs"] = self.state.get("runs", 0) + 1
        if event.data == "slow":
            await asyncio.sleep(100 * 60)
        if event.data == "fails once" and context.attempt == 1:
            raise Retryable("not yet", after_seconds=60)
        if event.data == "again":
            await context.schedule("single", at=event.time, data="again")


@pytest.fixture(autouse=True)
def no_runs() -> None:
    Clocked.runs.clear()


async def do(system: System, method: str, **fields: Any) -> Any:
    return await system.handle(CLOCKED, type="do", data=[method, fields])


def times() -> list[str]:
    return [time for _, time, _ in Clocked.runs]


async def test_a_single_run_comes_once_at_its_time() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="single", after_seconds=100)
    await passed(99)
    assert Clocked.runs == []
    begun = CLOCK.now()
    await passed(2)
    assert [(name, at - begun) for name, _, at in Clocked.runs] == [("single", 1.0)]
    await passed(1e6)
    assert len(Clocked.runs) == 1
    assert await system.schedules.of(CLOCKED) == []


async def test_a_time_in_the_past_comes_at_once() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="single", at=CLOCK.now() - 1000)
    await passed(1)
    assert len(Clocked.runs) == 1


async def test_cron_comes_at_every_time_that_it_names() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="hourly", cron="0 * * * *")
    await passed(3 * HOUR + 1)
    assert times() == ["01:00", "02:00", "03:00"]
    timer = (await system.schedules.of(CLOCKED))[0]
    assert timer.due == from_iso("2026-01-01T04:00:00Z")


async def test_scheduling_the_same_again_changes_nothing() -> None:
    system = await running(Clocked)
    for _ in range(4):
        await do(system, "schedule", name="hourly", cron="0 * * * *")
        await do(system, "schedule", name="single", at=from_iso("2026-01-01T02:30:00Z"))
        await passed(0.4 * HOUR)
    await passed(2 * HOUR)
    assert times() == ["01:00", "02:00", "02:30", "03:00"]


async def test_scheduling_otherwise_replaces_it() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="it", cron="0 * * * *")
    await passed(HOUR + 1)
    await do(system, "schedule", name="it", cron="30 * * * *", data="new")
    await passed(2 * HOUR)
    assert times() == ["01:00", "01:30", "02:30"]


async def test_a_cancelled_schedule_comes_no_more() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="hourly", cron="0 * * * *")
    await passed(HOUR + 1)
    await do(system, "cancel", name="hourly")
    await do(system, "cancel", name="never there")
    await passed(10 * HOUR)
    assert times() == ["01:00"]
    assert (await system.head(CLOCKED)).next_tick == 0.0


async def test_a_schedule_set_again_to_a_time_at_which_it_ran_makes_no_second_run() -> None:
    """Idempotent by name and time: the run has been, and the agent goes on."""
    system = await running(Clocked)
    at = CLOCK.now() + 10
    await do(system, "schedule", name="single", at=at, data="again")
    await passed(100)
    await do(system, "schedule", name="single", at=at)
    await passed(100)
    assert (len(Clocked.runs), await system.state(CLOCKED)) == (1, {"runs": 1})
    assert (await do(system, "schedule", name="other", after_seconds=5)).status is Status.DONE
    await passed(10)
    assert [name for name, _, _ in Clocked.runs] == ["single", "other"]


async def test_many_schedules_do_not_disturb_each_other() -> None:
    system = await running(Clocked)
    for minute in range(0, 60, 7):
        await do(system, "schedule", name=f"at {minute}", cron=f"{minute} * * * *")
    await passed(2 * HOUR)
    assert sorted(times()) == times()
    assert len(times()) == 18


async def test_runs_of_one_agent_do_not_overlap() -> None:
    system = await running(Clocked, rules=Rules(turn_timeout_seconds=1e6))
    await do(system, "schedule", name="slow", cron="0 * * * *", data="slow", missed="all")
    await passed(5.9 * HOUR)
    begins = [at for _, _, at in Clocked.runs]
    assert all(later - earlier >= 100 * 60 for earlier, later in pairwise(begins))
    assert times() == ["01:00", "02:00", "03:00"]


async def test_a_run_that_fails_is_tried_again_and_counts_once() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="hourly", cron="0 * * * *", data="fails once")
    await passed(2 * HOUR + 120)
    assert times() == ["01:00", "01:00", "02:00", "02:00"]
    assert await system.state(CLOCKED) == {"runs": 2}


async def test_a_handler_that_fails_has_scheduled_nothing() -> None:
    class Failing(Clocked):
        name = "clocked"

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.schedule("single", after_seconds=5)
            raise Retryable("no", after_seconds=1e6)

    system = await running(Failing)
    await system.send(CLOCKED)
    await passed(100)
    assert await system.schedules.of(CLOCKED) == []


# --- missed runs and restarts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("once", ["01:00", "05:00", "06:00"]),
        ("skip", ["01:00", "06:00"]),
        ("all", ["01:00", "02:00", "03:00", "04:00", "05:00", "06:00"]),
    ],
)
@pytest.mark.parametrize("why", ["no host", "paused"])
async def test_runs_that_were_missed(missed: str, expected: list[str], why: str) -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="hourly", cron="0 * * * *", missed=missed)
    await passed(1.5 * HOUR)
    if why == "paused":
        await system.lifecycle.control(CLOCKED, "pause")
    else:
        await system.crash()
    await passed(4 * HOUR)
    if why == "paused":
        await system.lifecycle.control(CLOCKED, "resume")
    else:
        system = await running(Clocked, world=system.world)
    await passed(1.2 * HOUR)
    assert times() == expected
    assert await system.state(CLOCKED) == {"runs": len(expected)}


async def test_a_crash_in_the_middle_of_a_run_makes_no_second_tick() -> None:
    system = await running(Clocked)
    await do(system, "schedule", name="slow", cron="0 * * * *", data="slow")
    await passed(HOUR + 10)
    assert times() == ["01:00"]
    await system.crash()
    again = await running(Clocked, world=system.world, rules=Rules(turn_timeout_seconds=1e6))
    await passed(1.8 * HOUR)
    assert times() == ["01:00", "01:00", "02:00"], "the run that was broken off begins again, as the same event"
    rows = [row for row in (await again.rows(CLOCKED)).values() if row.event.type == "aos.schedule"]
    assert [(row.event.id, row.status) for row in rows] == [("slow@2026-01-01T01:00:00Z", Status.DONE)]
    assert await again.state(CLOCKED) == {"runs": 1}


async def test_two_hosts_make_one_tick() -> None:
    one = await running(Clocked)
    await do(one, "schedule", name="hourly", cron="0 * * * *")
    other = System(Clocked, world=one.world)
    other.pump.start()
    await passed(5 * HOUR + 1)
    assert times() == ["01:00", "02:00", "03:00", "04:00", "05:00"]


# --- from outside -----------------------------------------------------------------------------------------------------


async def put(system: System, name: str = "it", **fields: Any) -> Any:
    named = {"at": None, "cron": "", "timezone": "UTC", "missed": "once", "type": "aos.schedule", "data": None}
    return await system.schedules.put(CLOCKED, name, **(named | fields))


async def test_people_make_see_and_cancel_schedules() -> None:
    system = await running(Clocked)
    timer, is_new = await put(system, cron="0 * * * *", timezone="Europe/Berlin")
    assert (is_new, timer.due) == (True, from_iso("2026-01-01T01:00:00Z"))
    assert (await put(system, cron="0 * * * *", timezone="Europe/Berlin"))[1] is False
    assert (await put(system, cron="30 * * * *"))[1] is True
    assert [each.cron for each in await system.schedules.of(CLOCKED)] == ["30 * * * *"]
    page = await system.schedules.all("default")
    assert [(str(agent), each.name) for agent, each in page.items] == [("clocked", "it")]
    await passed(HOUR)
    assert times() == ["00:30"]
    assert (await system.schedules.cancel(CLOCKED, "it")).name == "it"
    with pytest.raises(UnknownSchedule):
        await system.schedules.cancel(CLOCKED, "it")
    await passed(5 * HOUR)
    assert times() == ["00:30"]


async def test_a_schedule_of_people_that_cannot_be_is_refused() -> None:
    system = await running(Clocked)
    with pytest.raises(InvalidSchedule):
        await put(system, cron="never")
    assert (await system.kernel.awaken_fresh(CLOCKED)).etag == ""


async def test_a_time_limit_of_a_request_is_not_shown_as_a_schedule() -> None:
    system = await running(Clocked)
    await do(system, "request", to="clocked", timeout_seconds=1e6)
    assert await system.schedules.of(CLOCKED) == []
