"""An event that kills its host is known at the next start, run alone, and quarantined; its neighbours are handled."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.storage.records import Status

CRASH_LIMIT = 2
GOOD = AgentId("victim", "good")
BAD = AgentId("victim", "bad")


class Victim(BaseAgent):
    """Handles everything but poison, which ends the process."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "poison":
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
        while aos.bus.pending():
            await aos.clock.sleep(0.01)


def life(folder: Path, *, send: bool = False) -> int | None:
    process = multiprocessing.get_context("spawn").Process(target=live, args=(folder, send))
    process.start()
    process.join(60)
    return process.exitcode


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
