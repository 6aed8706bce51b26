"""A process that tests start and kill: `child.py FOLDER accept|wait|subscribe|publish|count [WHAT]`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, Context, Event
from tests.spec.systems import Counter


class Mortal(Counter):
    """Dies of certain events."""

    name = "counter"

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "die" or (event.data == "die-once" and event.crashes == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().on_event(event, context)


async def hear(message: Any) -> None:
    """A durable subscriber: found again by its name."""
    print(f"heard {message}", flush=True)


async def main(folder: str, what: str, data: str = "") -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, log_level="CRITICAL")) as aos:
        await aos.register_agent(Mortal)
        match what:
            case "accept":
                await aos.accept_event({"type": "t", "id": data, "agent": "counter", "data": data})
                await asyncio.sleep(30)
            case "wait":
                aos.start()
                while aos.bus.pending():  # noqa: ASYNC110  # there is no event for "nothing is left"
                    await asyncio.sleep(0.02)
            case "subscribe":
                await aos.message_bus.subscribe("news.#", hear)
            case "publish":
                await aos.message_bus.publish("news.today", data)
                while aos.bus.pending():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            case "count":
                for number in range(int(data)):
                    await aos.process_event({"type": "t", "id": str(number), "agent": "counter", "data": number})
                    print(number, flush=True)


asyncio.run(main(*sys.argv[1:]))
