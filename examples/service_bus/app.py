"""The agent between the two: it counts orders, and publishes what it counted."""

from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event


class Till(BaseAgent):
    subscriptions = ("order.created",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["total"] = self.state.get("total", 0) + event.data["total"]
        await context.publish("till.counted", self.state)
        return self.state["total"]
