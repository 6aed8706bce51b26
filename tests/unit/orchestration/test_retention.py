"""Housekeeping: what ended long ago goes, what is open or put aside stays, and nothing is handled again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Quarantine
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.retention import expire
from AgentOperatingSystem.storage.collector import collect
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import System, passed, running

ALICE = AgentId("keeper", "alice")
DAY = 86_400.0


class Keeper(BaseAgent):
    """Counts; puts aside what it is told to; publishes the rest."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "aside":
            raise Quarantine("told to")
        context.state["n"] = context.state.get("n", 0) + 1
        await context.publish("keeper.counted", context.state["n"])


class Shifted(SystemClock):
    """The system's clock, `days` later."""

    days = 0.0

    def now(self) -> float:
        return super().now() + self.days * DAY


async def fill(aos: AgentOperatingSystem, events: int) -> None:
    for number in range(events):
        await aos.process_event(Event(type="t", agent=ALICE, id=f"e{number}", data=number))
    await aos.accept_event(Event(type="t", agent=ALICE, id="aside", data="aside"))
    while aos.bus.pending():
        await aos.clock.sleep(0.001)
    await aos.lifecycle.control(ALICE, "pause")
    await aos.accept_event(Event(type="t", agent=ALICE, id="waiting", data=0))
    while aos.bus.pending():
        await aos.clock.sleep(0.001)


async def test_only_what_ended_before_the_window_goes(tmp_path: Path) -> None:
    clock = Shifted()
    no_alerts = tmp_path / "alerts.json"  # whose publications would be counted here
    no_alerts.write_text("{}")
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, alerts_file=no_alerts), clock=clock) as aos:
        await aos.register_agent(Keeper)
        await fill(aos, events=100)
        assert await aos.keep_house() == 0
        clock.days = 31
        assert await aos.keep_house() == 101  # a hundred events, and the entry of the pause
        left = {row.event.id: row.status for row in (await aos.parts.store.events(ALICE)).items}
        assert left == {"aside": Status.QUARANTINED, "waiting": Status.PARKED}
        kept = await aos.bus.publications("default", 0)
        assert [number for number, _ in kept] == [100], "the newest stays, so that its number is not given out again"
        assert await aos.context_server(ALICE).load_state() == {"n": 100}


async def test_a_run_is_bounded_and_the_next_one_goes_on(tmp_path: Path) -> None:
    clock = Shifted()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path), clock=clock) as aos:
        await aos.register_agent(Keeper)
        await fill(aos, events=100)
        before = clock.now() + DAY
        assert await expire(aos.parts, before, commits_max=1) == 90
        assert await expire(aos.parts, before, commits_max=0) == 0


class Selective(BaseAgent):
    """Puts most of its events aside."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "aside":
            raise Quarantine("told to")


@pytest.mark.virtual_time
async def test_what_stays_does_not_keep_what_is_behind_it() -> None:
    system = await running(Selective)
    for number in range(200):
        await system.handle("selective", f"aside{number}", data="aside")
    for number in range(120):
        await system.handle("selective", f"done{number}")
    system.kernel.warm.forget(AgentId("selective"))
    assert await expire(system.parts, CLOCK.now() + 1) == 120
    assert set(await system.statuses("selective")) == {f"aside{number}" for number in range(200)}


@pytest.mark.virtual_time
async def test_what_ended_just_within_the_window_stays() -> None:
    system = await running(Selective)
    await system.handle("selective", "old")
    await passed(100)
    await system.handle("selective", "young")
    moment = (await system.row("selective", "young")).finished_at
    assert await expire(system.parts, moment) == 1
    assert list(await system.rows("selective")) == ["young"]
    seen = (await system.head("selective")).updated_at
    assert seen == moment, "housekeeping is no sign of life"


@pytest.mark.virtual_time
async def test_what_was_put_aside_long_ago_and_ended_today_stays() -> None:
    system = await running(Selective)
    row = await system.handle("selective", "1", data="aside")
    await passed(100 * DAY)
    await system.quarantine.drop(AgentId("selective"), row.key)
    assert await expire(system.parts, CLOCK.now() - 30 * DAY) == 0
    await passed(31 * DAY)
    assert await expire(system.parts, CLOCK.now() - 30 * DAY) == 1


@pytest.mark.virtual_time
async def test_an_agent_that_works_meanwhile_loses_nothing() -> None:
    system = await running(Selective)
    for number in range(100):
        await system.handle("selective", f"{number}")
    await passed(40 * DAY)
    work = [asyncio.create_task(system.handle("selective", f"new{number}")) for number in range(50)]
    expired = await expire(system.parts, CLOCK.now() - 30 * DAY)
    await asyncio.gather(*work)
    expired += await expire(system.parts, CLOCK.now() - 30 * DAY)
    assert expired == 100
    assert set(await system.rows("selective")) == {f"new{number}" for number in range(50)}


class Stepper(BaseAgent):
    """Makes as many steps as it is told to."""

    async def on_event(self, event: Event, context: Context) -> Any:
        for number in range(event.data):
            await context.step("number", str, number)


@pytest.mark.virtual_time
async def test_steps_go_with_their_event() -> None:
    system = await running(Stepper)
    await system.handle("stepper", "1", data=200)
    await system.handle("stepper", "2", data=0)
    store = system.parts.store
    assert len((await store.rows(AgentId("stepper"), "step", limit=1000)).items) == 200
    assert await expire(system.parts, CLOCK.now() + DAY) == 202
    assert not (await store.rows(AgentId("stepper"), "step")).items
    assert await system.rows("stepper") == {}


@pytest.mark.virtual_time
async def test_a_large_result_is_kept_as_long_as_its_event_is() -> None:
    class Large(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            text = await context.step("text", "x".__mul__, 100_000)
            if event.data == "aside":
                raise Quarantine("told to")
            return len(text)

    system = await running(Large)
    await system.handle("large", "1", data="aside")
    await asyncio.sleep(DAY)
    parts = system.parts
    assert await collect(parts.store, parts.blobs, 600.0, CLOCK) == 0
    assert await system.world.blobs.get(await blob_of(system)) == b'"' + b"x" * 100_000 + b'"'


async def blob_of(system: System) -> str:
    row = await system.row("large", "1")
    (step,) = (await Recorder(system.parts, AgentId("large")).read(row.key)).values()
    return step.result_blob
