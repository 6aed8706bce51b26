"""What tests/e2e/test_mcp_stdio.py starts: a system with two agents, served over standard input and output."""

import asyncio
import sys
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Route, Terminal
from AgentOperatingSystem.mcp.server import serve_stdio
from AgentOperatingSystem.observability import logs


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


async def main(data_dir: str) -> None:
    logs.configure("INFO")
    async with AgentOperatingSystem(
        AOSConfig(data_dir=data_dir, drain_timeout_seconds=0), routes=[Route(agent="counter", type="routed.#")]
    ) as aos:
        await aos.register_agent(Counter)
        await serve_stdio(aos)


asyncio.run(main(sys.argv[1]))
