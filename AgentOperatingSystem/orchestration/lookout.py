"""The lookout: finds in the store how events ended that another host may have handled.

A broker such as Service Bus hands an event to any host, and tells nobody when it is done. Whoever waits here for its
outcome reads the event's row, at growing distances, until it has ended or nobody waits any more. Used by `Mailroom`.
"""

import asyncio
import logging
from collections.abc import Iterator

from AgentOperatingSystem.errors import StoreError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.outcomes import UNTOLD, Outcomes
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import EventRow

FIRST_SECONDS = 0.02
LAST_SECONDS = 1.0
GROWTH = 1.5
_log = logging.getLogger(__name__)


def distances() -> Iterator[float]:
    """The waits between two looks, in seconds: at first short, because most events end soon."""
    seconds = FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(LAST_SECONDS, seconds * GROWTH)


class Lookout:
    """Looks for the outcomes of events that are waited for on this host."""

    def __init__(self, parts: Parts, outcomes: Outcomes) -> None:
        self._parts = parts
        self._outcomes = outcomes
        self._looking: dict[tuple[AgentId, str], asyncio.Task[None]] = {}

    @property
    def looking(self) -> int:
        """For how many events it looks."""
        return len(self._looking)

    def look(self, agent: AgentId, key: str) -> None:
        """Begins to look for one event's outcome; beginning twice is the same as once."""
        if (agent, key) not in self._looking:
            self._looking[agent, key] = asyncio.create_task(self._watch(agent, key), name="aos-lookout")

    async def _watch(self, agent: AgentId, key: str) -> None:
        try:
            for seconds in distances():
                await self._parts.clock.sleep(seconds)
                if not self._outcomes.is_awaited(agent, key) or await self._told(agent, key):
                    return
        finally:
            del self._looking[agent, key]  # at once: who comes to wait now begins anew

    async def _told(self, agent: AgentId, key: str) -> bool:
        row = await self._row(agent, key)
        if row is None or row.status in UNTOLD:
            return False
        self._outcomes.tell(agent, row)
        return True

    async def _row(self, agent: AgentId, key: str) -> EventRow | None:
        try:
            return await self._parts.store.event(agent, key)
        except StoreError as error:
            _log.warning("%s: the outcome of an event cannot be looked up (%s); trying again", agent, error)
            return None
