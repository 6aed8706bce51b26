"""Switches: a type or a tenant that is paused, stopped and let go on."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import IllegalTransition, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration import switching
from AgentOperatingSystem.orchestration.switching import SwitchDesk
from AgentOperatingSystem.storage.records import Control
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
REFRESH_SECONDS = 5.0


class Worker(BaseAgent):
    """Makes two steps with some time between them."""

    made: ClassVar[list[str]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        seconds = event.data or 0
        await context.step("one", Worker.made.append, f"{event.id}:1")
        await asyncio.sleep(seconds)
        await context.step("two", Worker.made.append, f"{event.id}:2")
        self.state["done"] = [*self.state.get("done", []), event.id]


class Neighbour(BaseAgent):
    async def process(self, event: Event) -> None:
        if event.data == "long":
            await asyncio.sleep(100)


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    Worker.made = []


def desk(system: System) -> SwitchDesk:
    return SwitchDesk(system.parts, system.kernel, REFRESH_SECONDS)


async def test_a_paused_type_keeps_its_mailboxes_and_its_neighbours_go_on() -> None:
    system = await running(Worker, Neighbour)
    await desk(system).turn("default", "worker", "pause", "maintenance")
    for key in ("a", "b"):
        await system.send(f"worker/{key}", key)
    await system.handle("neighbour")
    await passed(1000)
    row = await system.row("worker/a", "a")
    assert (row.status, row.reason) == ("parked", "type worker is paused: maintenance")
    assert Worker.made == []
    await desk(system).turn("default", "worker", "resume")
    await passed(1)
    assert await system.statuses("worker/a") == {"a": "done"}
    assert await system.statuses("worker/b") == {"b": "done"}
    assert await desk(system).all("default") == []


async def test_a_running_turn_stops_at_its_next_step_and_goes_on_from_there() -> None:
    system = await running(Worker)
    await system.send("worker", "1", data=10)
    await passed(1)
    await desk(system).turn("default", "worker", "pause")
    await passed(1000)
    assert (Worker.made, await system.statuses("worker")) == (["1:1"], {"1": "parked"})
    await desk(system).turn("default", "worker", "resume")
    await passed(100)
    assert (Worker.made, await system.statuses("worker")) == (["1:1", "1:2"], {"1": "done"})
    assert (await system.row("worker", "1")).attempts == 1


async def test_stopping_a_tenant_breaks_off_what_runs_and_control_itself_goes_on() -> None:
    system = await running(Neighbour)
    await system.send("neighbour", "1", data="long")
    await passed(1)
    await desk(system).turn("default", "", "stop")
    await passed(1)
    assert await system.statuses("neighbour") == {"1": "parked"}
    assert not system.kernel.watch.running()
    assert not system.parts.switches.why(AgentId("aos.control"))
    assert not system.parts.switches.why(AgentId("neighbour", "", "another"))
    await desk(system).turn("default", "", "start")
    await passed(200)
    assert await system.statuses("neighbour") == {"1": "done"}


async def test_another_host_obeys_when_it_has_read_the_switch_and_misses_no_bell() -> None:
    first = await running(Worker)
    second = await running(Worker, world=first.world)
    await desk(first).turn("default", "worker", "pause")
    await desk(second).refresh("default")
    await second.send("worker", "1")
    await passed(1)
    await desk(first).turn("default", "worker", "resume")
    await passed(REFRESH_SECONDS)  # the second host may have taken the first bell, and held the event once more
    await desk(second).refresh("default")
    await passed(60)
    assert await first.statuses("worker") == {"1": "done"}


async def test_waking_goes_on_where_a_dead_host_left_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "PAGE", 3)
    monkeypatch.setattr(switching, "PAGES_AT_ONCE", 1)
    first = await running(Worker)
    await desk(first).turn("default", "worker", "pause")
    for number in range(10):
        await first.send(f"worker/{number}", "1")
    await passed(1)
    await desk(first).turn("default", "worker", "resume")
    await first.crash()
    (switch,) = await desk(first).all("default")
    assert (switch.control, switch.cursor) == (Control.ACTIVE, "default|worker/2")
    second = await running(Worker, world=first.world)
    for _ in range(3):
        await desk(second).refresh("default")
    await passed(60)
    assert {tuple((await second.statuses(f"worker/{n}")).values()) for n in range(10)} == {("done",)}
    assert await desk(second).all("default") == []


async def test_a_timer_that_fell_into_the_pause_comes_when_it_is_over() -> None:
    class Clerk(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> None:
            if event.type == "test.happened":
                await context.schedule("later", after_seconds=10)

    system = await running(Clerk)
    await system.handle("clerk", "1")
    await desk(system).turn("default", "clerk", "pause")
    await passed(100)
    assert len(await system.rows("clerk")) == 1
    await desk(system).turn("default", "clerk", "resume")
    await passed(1)
    assert list((await system.statuses("clerk")).values()) == ["done", "done"]


async def test_turning_twice_is_once_and_what_cannot_be_is_refused() -> None:
    system = await running(Worker)
    once = await desk(system).turn("default", "worker", "pause", "x")
    await passed(5)
    assert await desk(system).turn("default", "worker", "pause", "x") == once
    assert (await desk(system).turn("default", "", "resume")).control is Control.ACTIVE
    with pytest.raises(UnknownAgent):
        await desk(system).turn("default", "nobody", "pause")
    with pytest.raises(UnknownAgent, match="belongs to the system"):
        await desk(system).turn("default", "aos.handler", "pause")
    with pytest.raises(IllegalTransition):
        await desk(system).turn("default", "worker", "terminate")
