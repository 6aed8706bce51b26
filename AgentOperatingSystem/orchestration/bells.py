"""Which bells an agent is owed: read from its head and its mailbox, so that one lost between commit and relay rings
again.

The ids are those that the commit gave them, so a bell that did ring is not owed twice within the broker's duplicate
window.
"""

import math
from dataclasses import dataclass

from AgentOperatingSystem.events import TIME_MAX, Message, doorbell
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Control, EventRow, Head

PARKED_MAX = 1000
SAFETY_BELL_SECONDS = 60.0
"""Longer than any operation on a store takes: the bell must not ring before the commit that it is for."""


@dataclass(frozen=True, slots=True)
class Ring:
    """How an agent is woken again."""

    now: float
    early_seconds: float
    """How much too early a bell came by this host's clock: the broker's is ahead, and is given that much more time."""
    strict: bool
    """Whether nothing behind the first that waits is of interest before that one has moved on."""

    def bell(self, head: Head, due: float, why: str) -> Message:
        """A bell with the id that its commit gave it; with one of its own where that one was consumed in vain."""
        if due <= self.now:
            return doorbell(head.agent, 0.0, f"{why}:v{head.version}")
        if self.early_seconds:
            return doorbell(head.agent, due + self.early_seconds, f"{why}:{self.now!r}")
        return doorbell(head.agent, due, why)


async def bells_again(store: AgentStore, agent: AgentId, ring: Ring) -> list[Message]:
    """The bells for everything that waits in the agent's store; none for an agent that is not to wake."""
    found = await store.load(agent)
    if found is None or found[0].control not in (Control.ACTIVE, Control.TERMINATED):
        return []
    head = found[0]
    parked = await store.parked(agent, math.inf, 1 if ring.strict else PARKED_MAX) if _may_have_parked(head) else ()
    bells = {bell.id: bell for bell in (_for_parked(head, row, ring) for row in parked if row.due < TIME_MAX)}
    if head.freeing:
        more = ring.bell(head, 0.0, "backlog")
        bells[more.id] = more
    if head.next_tick and head.control is Control.ACTIVE:
        tick = ring.bell(head, head.next_tick, "tick")
        bells[tick.id] = tick
    return list(bells.values())


def _may_have_parked(head: Head) -> bool:
    return head.next_order > 0


def _for_parked(head: Head, row: EventRow, ring: Ring) -> Message:
    if row.due > ring.now:
        return ring.bell(head, row.due, row.key)
    if head.backoff_until > ring.now:
        return ring.bell(head, head.backoff_until, "backoff")
    return ring.bell(head, 0.0, "backlog")
