"""Order: of what waits, a higher priority comes first. With `ordering = "strict"` nothing overtakes, nor steps aside.

Prints:

    relaxed: urgent, second, first
    strict: first, second, urgent
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Retryable


class Relaxed(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "first" and context.attempt == 1:
            raise Retryable("not yet", after_seconds=0.1)
        self.state["seen"] = [*self.state.get("seen", []), event.data]


class Strict(Relaxed):
    ordering = "strict"


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/order_and_priority")) as aos:
        for kind in (Relaxed, Strict):
            agent = aos.address(await aos.register_agent(kind))
            await aos.lifecycle.control(agent, "pause")  # what comes now waits in the mailbox
            for data, priority in (("first", 0), ("second", 0), ("urgent", 9)):
                await aos.message_bus.send(agent, data, priority=priority)
            await aos.lifecycle.control(agent, "resume")
            await asyncio.sleep(1)
            print(f"{agent}: {', '.join((await aos.context_server(agent).load_state())['seen'])}")


asyncio.run(main())
