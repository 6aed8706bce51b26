"""Failure: an event is tried again with back-off, and put into quarantine with its reason when that does not help.

Prints:

    charged 5 at attempt 3
    quarantined: ValueError: could not convert string to float: 'five' (attempt 3 of 3)
    charged 5 at attempt 1
"""

import asyncio
from contextlib import suppress
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, EventFailed, Retryable


class Payments(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        amount = float(event.data)  # raises for what is not a number
        if event.type == "charge.later" and context.attempt < 3:
            raise Retryable("the bank is busy", after_seconds=0.05)
        return f"charged {amount:g} at attempt {context.attempt}"


async def main() -> None:
    config = AOSConfig(data_dir=".aos/retry_and_quarantine", attempts_max=3, backoff_base_seconds=0.01)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Payments)
        print(await aos.process_event({"type": "charge.later", "agent": "payments", "data": "5"}))
        with suppress(EventFailed):
            await aos.process_event({"type": "charge", "id": "1", "agent": "payments", "data": "five"})
        (row,) = (await aos.quarantine.list("default")).items
        print(f"{row.status}: {row.reason}")
        await aos.quarantine.redrive(aos.address("payments"), row.key, data="5")
        print(await aos.process_event({"type": "charge", "id": "1", "agent": "payments", "data": "5"}))


asyncio.run(main())
