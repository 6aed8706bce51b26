"""Schedules: durable, named, and part of the commit like everything that a handler asks for.

The cron expression has a sixth field, the second. A run that no host was there for is missed; `missed` says what then.

Prints:

    started
    once, after a moment
    tick 1
    tick 2
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Clock(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "start":
            print("started")
            await context.schedule("soon", after_seconds=0.01, type="say", data="once, after a moment")
            await context.schedule("ticks", cron="* * * * * *", missed="skip", type="tick")
        elif event.type == "say":
            print(event.data)
        elif self.state.get("ticks", 0) < 2:
            self.state["ticks"] = self.state.get("ticks", 0) + 1
            print(f"tick {self.state['ticks']}")


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/schedules")) as aos:
        await aos.register_agent(Clock)
        await aos.process_event({"type": "start", "agent": "clock"})
        await asyncio.sleep(3)


asyncio.run(main())
