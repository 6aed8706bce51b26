"""Balancing by queue length: measured in virtual time, beside handing out in turns."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.dispatcher import DispatcherAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time
TASKS = 60
SECONDS = {"fast": 1.0, "slow": 5.0}


class Worker(BaseAgent):
    """`worker/fast` takes a second for a task, `worker/slow` five."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "hang":
            await asyncio.sleep(10_000)
        await asyncio.sleep(SECONDS[context.agent.key])
        return event.data


class Desk(DispatcherAgent):
    """Two workers."""

    members: ClassVar[tuple[str, ...]] = ("worker/slow", "worker/fast")
    timeout_seconds: ClassVar[float] = 500.0


class InTurns(BaseAgent):
    """What it is measured against: each member gets every other task."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type != "aos.reply":
            self.state["count"] = self.state.get("count", 0) + 1
            await context.request(Desk.members[self.state["count"] % 2], event.data, timeout_seconds=500.0)


class Client(BaseAgent):
    """Has many tasks done at once."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "begin":
            for number in range(event.data):
                await context.request("desk", number, timeout_seconds=5000.0)
        else:
            self.state.setdefault("got", []).append(event.data)


async def done(system: System, key: str) -> int:
    return sum(row.status is Status.DONE for row in (await system.rows(f"worker/{key}")).values())


async def seconds_until_all_is_done(system: System, desk: str) -> float:
    begun = CLOCK.now()
    for number in range(TASKS):
        await system.send(desk, data=number)
    while await done(system, "fast") + await done(system, "slow") < TASKS:
        await passed(0.5)
    return CLOCK.now() - begun


async def test_the_fast_one_does_more_and_all_is_done_three_times_as_early() -> None:
    """The figures stand in docs/coordination.md; 50 s is the least that is possible."""
    balanced = await running(Desk, Worker)
    seconds = await seconds_until_all_is_done(balanced, "desk")
    assert (await done(balanced, "fast"), await done(balanced, "slow")) == (50, 10)
    assert seconds == pytest.approx(50, abs=1)
    in_turns = await running(InTurns, Worker)
    seconds = await seconds_until_all_is_done(in_turns, "in_turns")
    assert (await done(in_turns, "fast"), await done(in_turns, "slow")) == (30, 30)
    assert seconds == pytest.approx(150, abs=1)


async def test_nobody_has_more_in_hand_than_allowed_and_the_rest_waits_in_order() -> None:
    system = await running(Desk, Worker)
    results = [result_of(await system.handle("desk", data=number)) for number in range(6)]
    assert [each["member"] for each in results] == ["worker/slow", "worker/fast", None, None, None, None]
    assert [each["waiting"] for each in results] == [0, 0, 1, 2, 3, 4]
    await passed(100)
    assert [row.event.data for row in (await system.rows("worker/fast")).values()] == [1, 2, 3, 4, 5]
    state = await system.state("desk")
    assert (state["done"], state["first"], state["last"]) == ({"worker/slow": 1, "worker/fast": 5}, 6, 6)
    assert (await system.world.store.rows((await system.head("desk")).agent, "memory")).items == ()


async def test_each_answer_comes_to_its_asker_once_over_restarts() -> None:
    system = await running(Desk, Worker, Client)
    await system.handle("client", type="begin", data=20)
    for _ in range(4):
        await passed(3.3)
        await system.crash()
        system = await running(Desk, Worker, Client, world=system.world)
    await passed(300)
    got = (await system.state("client"))["got"]
    assert sorted(each["result"] for each in got) == list(range(20))
    assert {each["by"] for each in got} == {"worker/fast", "worker/slow"}


async def test_a_member_that_hangs_is_reported_and_gets_no_more_meanwhile() -> None:
    system = await running(Desk, Worker)
    await system.send("desk", data="hang")
    for number in range(10):
        await system.send("desk", data=number)
    await passed(400)
    assert (await done(system, "slow"), await done(system, "fast")) == (0, 10)
    await passed(200)
    results = [result_of(row) for row in (await system.rows("desk")).values()]
    assert [each["error"] for each in results if "error" in each] == ["worker/slow gave no answer within 500 s"]


async def test_a_member_that_asks_gets_no_task_of_its_own() -> None:
    class Lazy(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            if event.type == "aos.reply":
                return self.state.update(got=event.data)
            return await context.request("desk", 7, timeout_seconds=50.0)

    class Alone(Desk):
        name = "desk"
        members = ("lazy",)

    class Both(Desk):
        name = "desk"
        members = ("lazy", "worker/fast")

    alone, both = await running(Alone, Lazy), await running(Both, Lazy, Worker)
    for system in (alone, both):
        await system.handle("lazy", type="go")
        await passed(10)
    (refused,) = (await alone.rows("desk")).values()
    assert (refused.status, refused.reason) == (
        Status.FAILED,
        "terminal: every member of desk waits for this task itself",
    )
    assert (await both.state("lazy"))["got"]["by"] == "worker/fast"


async def test_one_without_members_says_so() -> None:
    class Empty(DispatcherAgent):
        restart = DispatcherAgent.restart

    system = await running(Empty)
    await system.send("empty", "e1")
    await passed(1)
    assert "Empty needs members" in (await system.row("empty", "e1")).reason
