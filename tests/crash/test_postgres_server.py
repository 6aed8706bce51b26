"""The PostgreSQL server itself is killed under a running system, and comes back: every event is applied once."""

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Event
from tests import postgres

EVENTS = 60


class Counter(BaseAgent):
    """Notes the number of each event."""

    name = "counter"

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state.setdefault("numbers", []).append(event.data)


async def until_accepted(aos: AgentOperatingSystem, number: int) -> None:
    """As a caller does that was answered 503: the same event again, until it is taken."""
    while True:
        try:
            await aos.accept_event({"type": "t", "agent": "counter", "id": f"e{number}", "data": number})
            return
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def test_events_outlive_the_death_of_the_server(tmp_path: Path) -> None:
    server = await asyncio.to_thread(postgres.start)
    backs: list[asyncio.Task[subprocess.Popen[bytes]]] = []
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, database_url=server.url)) as aos:
        await aos.register_agent(Counter)
        for number in range(EVENTS):
            if number == EVENTS // 2:
                server.process.send_signal(signal.SIGQUIT)  # "immediate": as in a crash, and its children go too
                await asyncio.to_thread(server.process.wait)
                backs.append(asyncio.create_task(asyncio.to_thread(postgres.launch, server.data, server.port)))
            await until_accepted(aos, number)
        (process,) = await asyncio.gather(*backs)
        found: list[int] = []
        for _ in range(600):
            found = (await aos.context_server("counter").load_state() or {}).get("numbers", [])
            if len(found) >= EVENTS:
                break
            await asyncio.sleep(0.05)
        assert sorted(found) == list(range(EVENTS))
        await asyncio.sleep(0.1)
    process.terminate()
    await asyncio.to_thread(process.wait)
