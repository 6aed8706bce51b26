"""Housekeeping: what ended long ago goes, what is open or put aside stays, and nothing is handled again."""

from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Quarantine
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.orchestration.retention import expire
from AgentOperatingSystem.storage.records import Status

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
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path), clock=clock) as aos:
        await aos.register_agent(Keeper)
        await fill(aos, events=100)
        assert await aos.keep_house() == 0
        clock.days = 31
        assert await aos.keep_house() == 101  # a hundred events, and the entry of the pause
        left = {row.event.id: row.status for row in (await aos.parts.store.events(ALICE)).items}
        assert left == {"aside": Status.QUARANTINED, "waiting": Status.PARKED}
        assert await aos.bus.publications("default", 0) == []
        assert await aos.context_server(ALICE).load_state() == {"n": 100}


async def test_a_run_is_bounded_and_the_next_one_goes_on(tmp_path: Path) -> None:
    clock = Shifted()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path), clock=clock) as aos:
        await aos.register_agent(Keeper)
        await fill(aos, events=100)
        before = clock.now() + DAY
        assert await expire(aos.parts, before, commits_max=1) == 90
        assert await expire(aos.parts, before, commits_max=0) == 0
