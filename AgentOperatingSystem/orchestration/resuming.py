"""Events that wait go on, or wait no longer: the store's part of it, for the bookkeeping that `Work` does.

Called within a turn by the answers (`waits.py`), and outside of any turn by the desks (`outside.py`, `cancelling.py`)
and by late evidence; each of them commits what the work has become.
"""

import math

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.conversations import HELD
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import EventRow, Head


def work_outside(parts: Parts, agent: AgentId, head: Head) -> Work:
    """The work of a change that no turn makes, from this head on."""
    work = Work(head, parts.clock.now(), parts.registry.is_strict(agent), parts.rules, parts.limits)
    work.unrelayed = list(head.unrelayed)  # what the last turn has recorded and perhaps never sent is still owed
    return work


async def resume(parts: Parts, work: Work, row: EventRow) -> None:
    """What the event waited for is there: it goes on from its journal, first in line."""
    work.go_on(row, await held(parts.store, work))


async def set_free(parts: Parts, work: Work, row: EventRow) -> None:
    """The event does not wait any longer: what its conversation has held back goes on."""
    work.free(row.event, await held(parts.store, work))


async def held(store: AgentStore, work: Work) -> list[EventRow]:
    """The parked events that conversations of the agent hold back, by order; the first of them, where there are many
    parked.
    """
    parked = await store.parked(work.head.agent, math.inf, work.rules.held_max)
    work.crowded = len(parked) >= work.rules.held_max
    return [row for row in parked if row.reason == HELD]
