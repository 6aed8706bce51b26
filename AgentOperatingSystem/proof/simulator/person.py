"""The person who is asked about calls of unknown outcome: looks now and then, and says what is true.

Asks the effect desk of whichever host is up, as `aos effects` does. What the person says is true at the time of saying:
a call that happens later all the same has broken its promise.
"""

import asyncio
from contextlib import suppress
from random import Random

from AgentOperatingSystem.agents.steps import Step
from AgentOperatingSystem.errors import IllegalTransition, InvalidInput, UnknownEvent
from AgentOperatingSystem.orchestration.effects import Effects
from AgentOperatingSystem.proof.simulator.client import Doors, Outside
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld, name_of
from AgentOperatingSystem.storage.records import EventRow, Status

LOOKS_SECONDS = 30.0
TENANT = "default"


class Person:
    """Decides about what is in doubt."""

    def __init__(self, outside: Outside, world: OutsideWorld, seed: int) -> None:
        self.decided = 0
        """How many verdicts were given."""
        self._outside = outside
        self._world = world
        self._rng = Random(f"effects:{seed}")

    async def run(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self._rng.random() * LOOKS_SECONDS)
            await self.look()

    async def look(self) -> int:
        """Decides about everything that waits for a verdict; answers how many events did."""
        page = await self._outside.ask(lambda doors: doors.effects.list(TENANT, limit=1000))
        for row in page.items:
            with suppress(IllegalTransition, UnknownEvent, InvalidInput):
                await self._decide(row)
        return len(page.items)

    async def _decide(self, row: EventRow) -> None:
        agent = row.event.agent
        assert agent is not None
        effects = await self._outside.ask(lambda doors: doors.effects.show(agent, row.key))
        if row.status is Status.DIVERGED or self._rng.random() < 0.05:
            await self._outside.ask(lambda doors: doors.effects.drop(agent, row.key, "not wanted"))
        else:
            await self._say(effects, self._rng.choice(effects.in_doubt))
        self.decided += 1

    async def _say(self, effects: Effects, step: Step) -> None:
        agent, key = effects.row.event.agent, effects.row.key
        assert agent is not None
        happened = bool(self._world.effects[f"{agent} {key}", name_of(step)])
        again = self._rng.random() < 0.7

        async def say(doors: Doors) -> EventRow:
            if happened:
                return await doors.effects.confirm(agent, key, "it happened", step=step.name, by="person")
            if again:
                return await doors.effects.retry(agent, key, step=step.name, by="person")
            return await doors.effects.fail(agent, key, "no", step=step.name, by="person")

        await self._outside.ask(say)
