"""A perpetual agent: an event wakes it, its state is committed, and it sleeps until the next one.

Run it again, or kill it and run it again: it counts on.

Prints:

    1
    2
    3
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Counter(BaseAgent):
    """Counts its events."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["count"] = self.state.get("count", 0) + 1
        return self.state["count"]


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/minimal")) as aos:
        await aos.register_agent(Counter)
        for _ in range(3):
            print(await aos.process_event(Event(type="counted", agent=aos.address("counter"))))


if __name__ == "__main__":  # `aos up examples/01_minimal.py` serves the same agent
    asyncio.run(main())
