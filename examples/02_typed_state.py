"""State as a pydantic model: typed in the handler, checked whenever it is read from the store.

Prints:

    Grace: 2 visits, last from /door
    {'name': 'Grace', 'visits': 2, 'last_source': '/door'}
"""

import asyncio
from typing import Any

from pydantic import BaseModel

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Guest(BaseModel):
    name: str = ""
    visits: int = 0
    last_source: str = ""


class Host(BaseAgent):
    state_type = Guest

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state = Guest(name=event.data, visits=self.state.visits + 1, last_source=event.source)
        return f"{event.data}: {self.state.visits} visits, last from {event.source}"


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/typed_state")) as aos:
        await aos.register_agent(Host)
        came = {"type": "came", "agent": "host", "source": "/door", "data": "Grace"}
        await aos.process_event(came)
        print(await aos.process_event(came))  # without an id, every event is a new one
        print(await aos.context_server("host").load_state())


asyncio.run(main())
