"""The agents that tests/e2e/test_mcp_stdio.py has `aos mcp` serve."""

import asyncio
from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event, Route, Terminal

routes = [Route(agent="counter", type="routed.#")]


class Counter(BaseAgent):
    """Counts what it is told."""

    capabilities = ("counting",)

    async def on_event(self, event: Event, context: Context) -> Any:
        print("printed by a handler")  # must not reach the wire
        match event.type:
            case "slow":
                await asyncio.sleep(30)
            case "wrong":
                raise Terminal("this cannot be counted")
            case "large":
                self.state["large"] = "x" * event.data
        self.state["count"] = self.state.get("count", 0) + 1
        await context.remember(f"event:{event.id}", event.data)
        return self.state["count"]
