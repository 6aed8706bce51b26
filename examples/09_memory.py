"""Memory: any number of JSON values under keys, kept beside the state and committed together with it.

Prints:

    {'note:1': 'milk', 'note:2': 'bread'}
    bread
    None
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Notebook(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "note":
            await context.remember(f"note:{event.id}", event.data)
            return await context.recall_prefix("note:")  # what this event remembers is there already
        await context.forget(f"note:{event.data}")


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/memory")) as aos:
        await aos.register_agent(Notebook)
        await aos.process_event({"type": "note", "id": "1", "agent": "notebook", "data": "milk"})
        print(await aos.process_event({"type": "note", "id": "2", "agent": "notebook", "data": "bread"}))
        memory = aos.context_server("notebook")  # the same from outside
        print(await memory.recall("note:2"))
        await aos.process_event({"type": "forget", "agent": "notebook", "data": 2})
        print(await memory.recall("note:2"))


asyncio.run(main())
