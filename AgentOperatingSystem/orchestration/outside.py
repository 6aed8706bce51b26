"""Changes of one event from outside of any turn: cancelled, decided, answered. Control does not queue: a turn that has
the event in hand loses the fence, reads again and obeys.

The desks (control, effects, approvals) say what is to become of the event; the bookkeeping is the turn's own (`Work`).
"""

from collections.abc import Awaitable, Callable

from AgentOperatingSystem.agents.steps import WAIT
from AgentOperatingSystem.agents.timers import TIMER
from AgentOperatingSystem.errors import Conflict, UnknownEvent
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.control import RACES_MAX, commit_and_ring
from AgentOperatingSystem.orchestration.jobs import cancellations
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.resuming import set_free, work_outside
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import EventRow, Row, Status

OWNS = (Status.WAITING, Status.IN_DOUBT, Status.DIVERGED)
"""Where an event may have its conversation to itself."""
Decide = Callable[[Work, Case, EventRow], Awaitable[None]]
"""Puts what becomes of an event into the work. Raises where it may not become that."""


async def change_event(parts: Parts, kernel: Kernel, agent: AgentId, key: str, why: str, decide: Decide) -> EventRow:
    """Has `decide` change the event with this key, durably, and wakes its agent; answers the row as it is then.

    Raises what `decide` raises, `UnknownEvent` where no row of it exists, `Conflict` where the agent is too busy.
    """
    for _ in range(RACES_MAX):
        server = await kernel.awaken_fresh(agent)
        row = await parts.store.event(agent, key)
        if row is None:
            raise UnknownEvent(f"{agent} has no event {key!r}")
        work = work_outside(parts, agent, server.head)
        await decide(work, Case(row.event, row), row)
        if not work.touched:
            return row
        changed = next(each for each in (*work.updates, *work.inserts) if each.key == key)
        try:
            await commit_and_ring(parts, kernel, server, work.change(server.head, server.etag, ()), why)
        except Conflict:
            continue
        kernel.watch.interrupt(agent)
        kernel.outcomes.tell(agent, changed)
        return changed
    raise Conflict(f"{agent}: lost the race for the head {RACES_MAX} times; the agent is too busy")


async def let_go(parts: Parts, work: Work, row: EventRow) -> None:
    """An event that waits, for answers or for a person, does so no longer: its time limits end, its conversation is
    free, and its jobs are cancelled.
    """
    if row.claims:
        for message in cancellations(row, (await Recorder(parts, work.head.agent).read(row.key)).values()):
            work.send(message)
    if row.status not in OWNS and not row.owns:
        return
    for name in row.waits:
        timer = f"{WAIT}{row.key}/{name}"
        work.rows[TIMER, timer] = Row(TIMER, timer, None)
    await set_free(parts, work, row)
