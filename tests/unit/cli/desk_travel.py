"""An agent whose past the tests of the command look at."""

from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event


class Ledger(BaseAgent):
    """Adds up, and tells another what it has."""

    async def on_event(self, event: Event, context: Context) -> Any:
        rate = await context.step("rate", float, "2")
        self.state["sum"] = self.state.get("sum", 0) + event.data * rate
        await context.send("reader", self.state["sum"])
        return self.state["sum"]


class Reader(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return event.data


agents = [Ledger, Reader]
