"""Migrations: state of an older schema is migrated when it is read; state of a newer one is never touched.

Prints:

    schema 1: {'name': 'Ada Lovelace'}
    schema 2: {'first': 'Ada', 'last': 'Lovelace'}
    schema 1: the event is quarantined, the state stays
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, EventFailed


def split_name(state: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(("first", "last"), state["name"].split(), strict=True))


class Person(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state = self.state or {"name": "Ada Lovelace"}
        return self.state


class NewPerson(Person):
    name, schema, migrations = "person", 2, {1: split_name}


async def run(kind: type[BaseAgent]) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/migrations")) as aos:
        await aos.register_agent(kind)
        try:
            print(f"schema {kind.schema}: {await aos.process_event({'type': 'show', 'agent': 'person'})}")
        except EventFailed:
            print(f"schema {kind.schema}: the event is quarantined, the state stays")


for kind in (Person, NewPerson, Person):
    asyncio.run(run(kind))
