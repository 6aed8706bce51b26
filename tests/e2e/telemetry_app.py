"""Agents whose work is a whole trace: a model, a tool, a publication, and somebody who is told later."""

from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.tools.function_tool import tool


@tool(effect="idempotent")
def look_up(order: int) -> str:
    """The status of an order."""
    return "shipped"


class Asker(BaseAgent):
    """Asks a model, uses a tool, publishes, and has the reader told when this host is gone."""

    async def on_event(self, event: Event, context: Context) -> Any:
        answer = await context.think("Where is order 7?", model="compatible/m")
        status = await context.call(look_up, order=7)
        await context.publish("orders", {"status": status})
        await context.send("reader", {"status": status}, after_seconds=event.data["after_seconds"])
        return answer.text


class Reader(BaseAgent):
    """Hears of orders."""

    subscriptions = ("orders",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["heard"] = self.state.get("heard", 0) + 1
        return self.state["heard"]
