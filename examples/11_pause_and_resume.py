"""Control: a paused agent keeps its mailbox and loses nothing; a terminated one leaves a tombstone.

Prints:

    paused
    parked: the agent is paused: night
    done in the morning
    refused: worker was terminated; nothing can be done with it any more
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, AOSError, BaseAgent, Context, Event


class Worker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return f"done in the {event.data}"


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/pause_and_resume")) as aos:
        await aos.register_agent(Worker)
        worker = aos.address("worker")
        print(await aos.lifecycle.control(worker, "pause", reason="night"))
        event = await aos.accept_event(Event(type="work", agent=worker, data="morning"))
        await asyncio.sleep(0.1)
        row, _ = await aos.mailroom.find(worker, event.source, event.id)
        print(f"{row.status}: {row.reason}" if row else "unknown")
        await aos.lifecycle.control(worker, "resume")
        print(await aos.process_event(event))
        await aos.lifecycle.control(worker, "terminate")
        try:
            await aos.lifecycle.control(worker, "resume")
        except AOSError as error:
            print(f"refused: {error}")


asyncio.run(main())
