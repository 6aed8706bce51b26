"""An event that kills its host is known at the next start, run alone, and quarantined; its neighbours are handled."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Retryable
from AgentOperatingSystem.storage.records import Status

CRASH_LIMIT = 2
GOOD = AgentId("victim", "good")
BAD = AgentId("victim", "bad")


class Victim(BaseAgent):
    """Handles everything but poison, which ends the process."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "slow poison" and context.attempt == 1:
            raise Retryable("not yet", after_seconds=0.01)
        if event.data in ("poison", "slow poison") or (event.data == "dies once" and not event.crashes):
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.01)  # so that neighbours are in flight when the host dies
        context.state["handled"] = context.state.get("handled", 0) + 1


def live(folder: Path, send: bool) -> None:
    asyncio.run(_live(folder, send))


async def _live(folder: Path, send: bool) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, crash_limit=CRASH_LIMIT, log_level="CRITICAL")) as aos:
        await aos.register_agent(Victim)
        if send:
            events = [Event(type="work", agent=GOOD, id=f"e{number}", data=number) for number in range(5)]
            events.append(Event(type="work", agent=BAD, id="poison", data="poison"))
            for event in events:
                await aos.mailroom.accept(event)
        aos.start()
        while aos.engine.read("SELECT 1 FROM queue LIMIT 1"):
            await aos.clock.sleep(0.01)


def life(folder: Path, *, send: bool = False) -> int | None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["AgentOperatingSystem.proof.kill.child"])
    process = context.Process(target=live, args=(folder, send))
    process.start()
    process.join(60)
    return process.exitcode


def lives(folder: Path) -> list[int | None]:
    """Exit codes of one life after the other, until one ends by itself."""
    exits = [life(folder)]
    while exits[-1] and len(exits) < 10:
        exits.append(life(folder))
    return exits


async def sent(folder: Path, *events: Event) -> None:
    """Events are accepted by a host that handles nothing."""
    async with AgentOperatingSystem(AOSConfig(data_dir=folder)) as aos:
        await aos.register_agent(Victim)
        for event in events:
            await aos.mailroom.accept(event)


async def rows(folder: Path) -> tuple[list[tuple[str, Status, str]], dict[str, int]]:
    async with AgentOperatingSystem(AOSConfig(data_dir=folder)) as aos:
        found = (await aos.parts.store.events(BAD)).items
        return [(row.event.id, row.status, row.reason) for row in found], await aos.context_server(GOOD).load_state()


async def test_poison_is_found_and_put_aside(tmp_path: Path) -> None:
    exits = [life(tmp_path, send=True)] + [life(tmp_path) for _ in range(CRASH_LIMIT)]
    assert exits == [*([-signal.SIGKILL] * CRASH_LIMIT), 0]
    poison, good = await rows(tmp_path)
    assert poison == [("poison", Status.QUARANTINED, f"{CRASH_LIMIT} hosts died while they handled it")]
    assert good == {"handled": 5}


async def test_neighbours_within_the_same_turn_are_innocent(tmp_path: Path) -> None:
    before = [Event(type="work", agent=BAD, id=f"before {number}", data=number) for number in range(3)]
    after = [Event(type="work", agent=BAD, id=f"after {number}", data=number) for number in range(3)]
    await sent(tmp_path, *before, Event(type="work", agent=BAD, id="poison", data="poison"), *after)
    assert lives(tmp_path) == [*([-signal.SIGKILL] * CRASH_LIMIT), 0]
    assert {name: status for name, status, _ in (await rows(tmp_path))[0]} == {
        **{event.id: Status.DONE for event in (*before, *after)},
        "poison": Status.QUARANTINED,
    }


async def test_poison_that_was_parked_is_found_too(tmp_path: Path) -> None:
    """Only a bell stands behind the turn that runs it."""
    await sent(tmp_path, Event(type="work", agent=BAD, id="slow poison", data="slow poison"))
    assert lives(tmp_path) == [*([-signal.SIGKILL] * CRASH_LIMIT), 0]
    [(name, status, reason)] = (await rows(tmp_path))[0]
    assert (name, status) == ("slow poison", Status.QUARANTINED)
    assert reason == f"{CRASH_LIMIT} hosts died while they handled it"


async def test_a_host_that_dies_of_something_else_does_not_put_events_aside(tmp_path: Path) -> None:
    """An event that survives its own run is no longer suspect."""
    await sent(tmp_path, Event(type="work", agent=GOOD, id="once", data="dies once"))
    assert lives(tmp_path) == [-signal.SIGKILL, 0]
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        assert await aos.context_server(GOOD).load_state() == {"handled": 1}
        assert aos.engine.read("SELECT * FROM suspects") == []
