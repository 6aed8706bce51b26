"""A workflow over the bus: an editor has an article researched, written and checked, each step by another agent.

Prints:

    tides → researcher
    facts about tides → writer
    an article of facts about tides → checker
    published: an article of facts about tides, checked
"""

import asyncio

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event

STEPS = {"researcher": "facts about {}", "writer": "an article of {}", "checker": "{}, checked"}


class Worker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> str:
        return STEPS[self.name].format(event.data)


class Editor(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        if event.type == "write":  # what is left is state: the steps may take a year, and restarts
            self.state["left"] = list(STEPS)
        if not self.state["left"]:
            return print(f"published: {event.data}")
        print(f"{event.data} → {self.state['left'][0]}")
        await context.request(self.state["left"].pop(0), event.data)


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/workflow")) as aos:
        _ = [await aos.register_agent(agent) for agent in (*map(Worker, STEPS), Editor("editor"))]
        await aos.process_event({"agent": "editor", "type": "write", "data": "tides"})
        await asyncio.sleep(0.5)


asyncio.run(main())
