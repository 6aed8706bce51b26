"""Which events a turn takes in hand, in which order: parked ones that are due, ticks of timers, then the new arrivals.

Called by the kernel with a fresh `Work`; what cannot run now is parked (or ended) here, what can is returned.
"""

import math
from collections.abc import Container

import msgspec

from AgentOperatingSystem.agents.timers import TIMER, Timer, due_runs, tick
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.decisions import End, why_hold
from AgentOperatingSystem.orchestration.resuming import held
from AgentOperatingSystem.orchestration.waits import answers_a_wait
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Control, EventRow, Row, Status

_UNANSWERED = (Status.WAITING, Status.IN_DOUBT, Status.DIVERGED)
_timer = msgspec.json.Decoder(Timer)


async def intake(
    store: AgentStore,
    work: Work,
    arrivals: list[Case],
    applied: Container[str],
    *,
    rings: bool,
    broken: AOSError | None,
    switched: str = "",
) -> list[Case]:
    """The cases to handle, in order; arrivals that cannot run now are parked in `work`.

    `applied` are keys that have their row already: a timer that was set once more to a time at which it ran then makes
    no second run. `switched` is why the agent's type or tenant is held: whoever lifts that wakes the agent.
    """
    hold = why_hold(work.head, work.now, broken=broken, switched=switched)
    work.blocked = switched if hold == switched else ""
    can_move = hold is None or isinstance(hold, End)
    waiting = await _waiting(store, work) if can_move and (rings or work.head.backlog) else []
    if can_move and rings and work.head.freeing:
        work.free_more(await held(store, work))
    waiting += await _abandoned(store, work) if rings and work.head.control is Control.TERMINATED else []
    ticks = await _ticks(store, work) if rings and hold is None and _tick_due(work) else []
    cases = [*waiting, *(work.take(case) for case in ticks if case.key not in applied), *arrivals]
    return [case for case in cases if not _held(work, case, hold)]


def _held(work: Work, case: Case, hold: End | str | None) -> bool:
    """Whether a case is out of hand already."""
    if isinstance(hold, End):
        work.end(case, hold)
        return True
    if case.aside:
        work.end(case, End(Status.QUARANTINED, case.aside))
        return True
    held_back = work.conversations.holds(case.event) or (case.row is None and work.conversations.is_freeing(case.event))
    if hold is None and held_back and not answers_a_wait(case.event):
        work.hold_back(case)
        return True
    reason = hold or (work.blocked if case.row is None else "") or _queue_behind(work, case)
    if reason:
        work.hold(case, reason)
    return bool(reason)


def _queue_behind(work: Work, case: Case) -> str:
    return "earlier events of the mailbox come first" if case.row is None and work.unseen > 0 else ""


async def _waiting(store: AgentStore, work: Work) -> list[Case]:
    """Parked events whose time has come, by order; where order is strict, none behind one that must still wait."""
    limit = work.rules.turn_events_max
    due_by = math.inf if work.strict and not work.head.waiting else work.now  # answers pass by all that is held
    rows = await store.parked(work.head.agent, due_by, limit)
    ready = await _without_owners(store, work, _ready(rows, work))
    work.unseen = work.head.backlog - sum(row.blocking for row in ready)
    return [Case(row.event, row) for row in ready]


async def _without_owners(store: AgentStore, work: Work, ready: list[EventRow]) -> list[EventRow]:
    """An event that had its conversation to itself until it is due goes on now, before all others of it."""
    for owner in [row for row in ready if row.owns]:
        others = [row for row in ready if row is not owner and row.event.conversation == owner.event.conversation]
        for row in others:
            work.hold_back(Case(row.event, row))
        work.go_on(owner, await held(store, work))
        ready = [row for row in ready if row is not owner and row not in others]
    return ready


async def _abandoned(store: AgentStore, work: Work) -> list[Case]:
    """What a terminated agent leaves behind beside its mailbox: events that wait for an answer or for a person, and
    those that a conversation held.
    """
    limit = work.rules.turn_events_max
    held = [row for row in await store.parked(work.head.agent, math.inf, limit) if row.due > work.now]
    pages = [await store.events(work.head.agent, status, limit=limit) for status in _UNANSWERED]
    rows = [*held, *(row for page in pages for row in page.items)]
    if len(rows) >= limit:
        work.ring(0.0, "abandoned")
    return [Case(row.event, row) for row in rows[:limit]]


def _ready(rows: tuple[EventRow, ...], work: Work) -> list[EventRow]:
    ready: list[EventRow] = []
    for row in rows:
        if row.due > work.now:
            work.blocked = "an earlier event waits for its next try"
            break
        ready.append(row)
    return ready


def _tick_due(work: Work) -> bool:
    return bool(work.head.next_tick) and work.head.next_tick <= work.now


async def _ticks(store: AgentStore, work: Work) -> list[Case]:
    """The runs of all timers that are due, with their rows moved on to the next run in the same change.

    A timer that was set once more to a time at which it ran makes no second run.
    """
    events: list[Event] = []
    first = math.inf
    for timer in await _timers(store, work):
        runs, next_due = due_runs(timer, work.now)
        events += [tick(timer, work.head.agent, due) for due in runs]
        if timer.due <= work.now:
            work.set_timer(timer.name, msgspec.structs.replace(timer, due=next_due) if next_due is not None else None)
        first = min(first, next_due if next_due is not None else math.inf)
    work.next_tick_is(first if first < math.inf else 0.0)
    return [Case(event) for event in events if await store.event(work.head.agent, event.key) is None]


async def _timers(store: AgentStore, work: Work) -> list[Timer]:
    timers: list[Timer] = []
    after = ""
    while True:
        page = await store.rows(work.head.agent, TIMER, after=after, limit=1000)
        timers += [_timer.decode(row.value) for row in page.items if row.value is not None]
        after = page.after
        if not after:
            return timers


async def read_timer(store: AgentStore, work: Work, name: str) -> Timer | None:
    """A timer as it is stored (or as this turn leaves it)."""
    written: Row | None = work.rows.get((TIMER, name))
    value = written.value if written is not None else await store.row(work.head.agent, TIMER, name)
    return _timer.decode(value) if value is not None else None
