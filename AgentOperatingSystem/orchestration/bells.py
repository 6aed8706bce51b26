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


async def bells_again(store: AgentStore, agent: AgentId, now: float, *, strict: bool, mark: str = "") -> list[Message]:
    """The bells for everything that waits in the agent's store; none for an agent that is not to wake.

    Where order is strict, nothing behind the first that waits is of interest before that one has moved on. `mark` sets
    the bells apart from those of the commit, where one of them was consumed in vain.
    """
    found = await store.load(agent)
    if found is None or found[0].control not in (Control.ACTIVE, Control.TERMINATED):
        return []
    head = found[0]
    parked = await store.parked(agent, math.inf, 1 if strict else PARKED_MAX) if _may_have_parked(head) else ()
    bells = {bell.id: bell for bell in (_for_parked(head, row, now, mark) for row in parked)}
    if head.next_tick and head.control is Control.ACTIVE:
        tick = _bell(head, head.next_tick, f"tick{mark}", now)
        bells[tick.id] = tick
    return list(bells.values())


def _may_have_parked(head: Head) -> bool:
    return head.next_order > 0


def _for_parked(head: Head, row: EventRow, now: float, mark: str) -> Message:
    if row.due > now:
        return _bell(head, row.due, f"{row.key}{mark}", now)
    if head.backoff_until > now:
        return _bell(head, head.backoff_until, f"backoff{mark}", now)
    return _bell(head, 0.0, "backlog", now)


def _bell(head: Head, due: float, why: str, now: float) -> Message:
    if due <= now:
        due, why = 0.0, f"{why}:v{head.version}"
    return doorbell(head.agent, due, why)
