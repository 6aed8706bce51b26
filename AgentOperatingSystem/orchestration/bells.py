"""Which bells an agent is owed: read from its head and its mailbox, so that one lost between commit and relay rings
again.

The ids are those that the commit gave them, so a bell that did ring is not owed twice within the broker's duplicate
window.
"""

import math

from AgentOperatingSystem.events import Message, doorbell
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Control, EventRow, Head

PARKED_MAX = 1000


async def bells_again(store: AgentStore, agent: AgentId, now: float) -> list[Message]:
    """The bells for everything that waits in the agent's store; none for an agent that is not to wake."""
    found = await store.load(agent)
    if found is None or found[0].control not in (Control.ACTIVE, Control.TERMINATED):
        return []
    head = found[0]
    parked = await store.parked(agent, math.inf, PARKED_MAX) if _may_have_parked(head) else ()
    return [bell for bell in (_tick(head, now), *(_for_parked(head, row, now) for row in parked)) if bell is not None]


def _may_have_parked(head: Head) -> bool:
    return head.next_order > 0


def _tick(head: Head, now: float) -> Message | None:
    if not head.next_tick:
        return None
    return _bell(head, head.next_tick, "tick", now)


def _for_parked(head: Head, row: EventRow, now: float) -> Message:
    if row.due > now:
        return _bell(head, row.due, row.key, now)
    if head.backoff_until > now:
        return _bell(head, head.backoff_until, "backoff", now)
    return _bell(head, 0.0, "backlog", now)


def _bell(head: Head, due: float, why: str, now: float) -> Message:
    if due <= now:
        due, why = 0.0, f"{why}:v{head.version}"
    return doorbell(head.agent, due, why)
