"""The agents that the tests of the command work with."""

from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event, Quarantine, Retryable, Route


class Desk(BaseAgent):
    """Counts what comes."""

    capabilities = ("counting",)

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "bad":
            raise Quarantine("I do not like it")
        if event.data == "later":
            raise Retryable("later", after_seconds=3600)
        self.state["n"] = self.state.get("n", 0) + 1
        await context.remember("last", event.data)
        await context.publish("desk.counted", {"n": self.state["n"]})
        return {"n": self.state["n"]}


routes = [Route(type="routed.#", agent="desk", key="routed")]
