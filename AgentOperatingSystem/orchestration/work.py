"""What one turn changes, built up event by event. Nothing has happened until `change()` is committed.

Fed by the kernel with each case and what became of it; yields one `Change` for the store and the rows to tell waiters
about.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from AgentOperatingSystem.agents.context import Collected, Limits
from AgentOperatingSystem.agents.timers import TIMER, Timer
from AgentOperatingSystem.events import TIME_MAX, Event, Message, doorbell, encode
from AgentOperatingSystem.orchestration.cases import Case, with_sent
from AgentOperatingSystem.orchestration.chains import messages_of
from AgentOperatingSystem.orchestration.conversations import HELD, Conversations
from AgentOperatingSystem.orchestration.decisions import BackOff, End, Park, Rules, order_of
from AgentOperatingSystem.storage.records import Change, Control, EventRow, Head, Row, Status

GOES_FIRST = "an earlier event goes on first"
_replace = msgspec.structs.replace
Timers = Sequence[tuple[str, Timer | None]]
"""Names, and what is written under them; None removes."""


class Work:
    """The changes of one turn of one agent."""

    def __init__(self, head: Head, now: float, strict: bool, rules: Rules, limits: Limits) -> None:
        self.head = head
        self.now = now
        self.strict = strict
        self.touched = False
        """Whether there is anything to commit."""
        self.blocked = ""
        """Why everything that follows in this turn must park."""
        self.unseen = 0
        """How many blocking events are parked beyond those in hand: arrivals must queue behind them."""
        self.inserts: list[EventRow] = []
        self.updates: list[EventRow] = []
        self.rows: dict[tuple[str, str], Row] = {}
        self.bells: dict[str, Message] = {}
        self.unrelayed: list[str] = []
        """Keys of rows with outputs that no message of this turn would bring back after a crash."""
        self.step_blobs = head.step_blobs
        """Whether a step has a result that lies in a blob: the collector looks for it then."""
        self.state_blobs = False
        """Whether a row of `rows` points at a blob."""
        self.rules = rules
        self._limits = limits
        self._backlog = head.backlog
        self._in_hand = 0
        """How many of the backlog this turn has claimed: they need no bell."""
        self.conversations = Conversations(head, strict)
        self.crowded = False
        """Whether more may be held than was read."""
        self._next_order = head.next_order
        self._next_tick = head.next_tick
        self._handled = head.handled
        self._outage = (head.backoff_until, head.outages)
        self._control = (head.control, head.reason)

    # --- what becomes of a case -----------------------------------------------------------------------------

    def done(self, case: Case, result: Any, collected: Collected, timers: Timers = ()) -> None:
        """The handler returned: its result, everything that it collected, and the timers that it changed.

        Raises `Quarantine`, `InvalidEvent`.
        """
        outputs = self._outputs(case.event, collected.events, timers)
        kept = msgspec.Raw(encode(result)) if result is not None else None
        self._end(case, Status.DONE, "", kept, outputs)
        if collected.rows:
            self.rows.update(collected.rows)
        for name, timer in timers:
            self.set_timer(name, timer)
        if self._outage[1]:
            self._outage = (0.0, 0)

    def end(self, case: Case, end: End) -> None:
        """The event ends without a result, or is put aside."""
        self._end(case, end.status, end.reason, None, ())

    def retry(self, case: Case, park: Park, *, owns: bool = False) -> None:
        """A failed try: the event steps aside until it is due (or, where order is strict, blocks those behind it). With
        steps behind it, it keeps its conversation (`owns`).
        """
        self._park(case, park.reason, due=park.due, blocking=self.strict, attempts=case.attempt, owns=owns)
        self.ring(park.due, case.key)
        if self.strict:
            self.blocked = "an earlier event waits for its next try"

    def back_off(self, case: Case, back_off: BackOff) -> None:
        """Something that the agent needs is down: nothing more is tried before `until`."""
        self._outage = (back_off.until, self._outage[1] + 1)
        self._control = (self._control[0], back_off.reason)
        self.hold(case, f"the agent backs off: {back_off.reason}")
        self.ring(back_off.until, "backoff")
        self.blocked = "the agent backs off"

    def stop(self, case: Case, reason: str) -> None:
        """The agent is stopped and keeps its event."""
        self._control = (Control.STOPPED, reason)
        self.hold(case, f"the agent is stopped: {reason}")
        self.touched = True  # also where the event is parked already, and nothing of it changes
        self.blocked = f"the agent is stopped: {reason}"

    def hold(self, case: Case, reason: str) -> None:
        """The event cannot run now: an arrival is parked in its place, one that is parked already stays as it is."""
        if case.row is None or case.row.claimed_at:
            attempts = case.row.attempts if case.row else 0
            self._park(case, reason, due=case.event.due, blocking=True, attempts=attempts)

    def take(self, case: Case) -> Case:
        """A timer's run is parked until this turn has handled it: a claim before that commits that the timer has moved
        on, and no message would bring the run again.
        """
        self._park(case, "in hand", due=0.0, blocking=True, attempts=0)
        case.row = self.inserts[-1]
        return case

    def claim(self, case: Case) -> None:
        """The event is about to make steps: its row says so before the first, and it is the first in line whatever
        becomes of this host. Committed at once, with all that the turn did before.
        """
        row = case.row
        claimed = _replace(
            self._written(case, Status.PARKED, "in hand"),
            order=row.order if row else self._place(case.event),
            blocking=True,
            attempts=row.attempts if row else 0,
            began_at=(row.began_at if row else 0.0) or self.now,
            claims=(row.claims if row else 0) + 1,
            claimed_at=self.now,
        )
        self._backlog += 1 - (row.blocking if row else 0)
        self._in_hand = 1
        self._keep(case, claimed)
        case.row = claimed

    def committed(self, head: Head) -> list[EventRow]:
        """What the turn did so far is committed, and `head` is the head now: answers the rows, and begins anew."""
        rows = [*self.inserts, *self.updates]
        self.inserts, self.updates, self.rows, self.bells, self.unrelayed = [], [], {}, {}, []
        self.head = head
        return rows

    def postpone(self, case: Case, reason: str, due: float = 0.0, *, owns: bool = False) -> None:
        """The event goes on from its journal, first in line; this was no failed try."""
        first = due <= self.now or self.strict
        self._park(case, reason, due=due, blocking=first, attempts=case.attempt - 1, owns=owns and not first)
        self.ring(due, case.key)
        if first:
            self.blocked = GOES_FIRST

    def wait(
        self,
        case: Case,
        rows: Sequence[Row],
        timers: Sequence[Timer],
        asked: list[Event],
        reason: str = "waits for an answer",
        *,
        owns: bool,
    ) -> None:
        """The event waits for answers to the steps in `rows`, and with it (`owns`) its conversation. What asks leaves
        with this commit, once; what the handler sent otherwise is sent when it comes to its end.

        Raises `Quarantine` where the credits do not suffice.
        """
        outputs = self._outputs(case.event, asked)
        if outputs:  # its own message may come too late: an answer, or the time limit, can move it on before
            self.unrelayed.append(case.key)
        for timer in timers:
            self.set_timer(timer.name, timer)
        self.rows.update({(row.kind, row.name): row for row in rows})
        due = min((timer.due for timer in timers), default=0.0)
        waits = tuple(row.name.partition("/")[2] for row in rows)
        self._put_aside(case, Status.WAITING, reason, due, waits, outputs)
        if owns or self.strict:
            self.conversations.own(case.event)

    def go_on(self, row: EventRow, held: Sequence[EventRow]) -> None:
        """An answer has come: the event that waited is first in line, before those that its conversation held, and what
        comes of that conversation in this turn comes after it.
        """
        asks = row.outputs if row.key in self.unrelayed else ()  # of this very turn, or still owed: not on their way
        self.conversations.goes_on(row.event)
        freed = self.free(row.event, held)
        self._backlog += not row.blocking
        goes_on = _replace(
            row, status=Status.PARKED, reason="goes on", due=0.0, blocking=True, outputs=asks, owns=False
        )
        order = min([row.order, *(each.order - 1 for each in freed)])
        self._move(_replace(goes_on, order=order, version=self.head.version + 1))
        self.ring(0.0, "answer")

    def keep(self, row: EventRow) -> None:
        """The event stays where it is; a row of it has changed."""
        self._move(_replace(row, version=self.head.version + 1))

    def free(self, event: Event, held: Sequence[EventRow]) -> list[EventRow]:
        """The event's conversation is its own no more: what it held goes on, and whatever comes queues behind."""
        return self._free(self.conversations.of(event), held)

    def free_more(self, held: Sequence[EventRow]) -> None:
        """The next part of what conversations held that are free again."""
        for owned in self.conversations.freeing:
            if owned not in self.conversations.waiting:
                self._free(owned, held)

    def _free(self, owned: str, held: Sequence[EventRow]) -> list[EventRow]:
        written = {row.key: row for row in (*self.updates, *self.inserts)}  # this very turn may have held some back
        rows = ({row.key: row for row in held} | written).values()
        freed = self.conversations.freed(owned, rows, crowded=self.crowded)
        self.touched = True
        for row in freed:
            self._backlog += not row.blocking
            self._move(_replace(row, reason="goes on", due=row.event.due, blocking=True, version=self.head.version + 1))
        if freed:
            self.ring(0.0, "freed")
        return freed

    def hold_back(self, case: Case) -> None:
        """The event is parked until its conversation is free."""
        if case.row is None or case.row.reason != HELD:
            attempts = case.row.attempts if case.row else 0
            self._park(case, HELD, due=TIME_MAX, blocking=False, attempts=attempts)

    def put_aside(self, case: Case, status: Status, reason: str, *, owns: bool) -> None:
        """A person has to say what is to happen with the event, and until then (`owns`) with its conversation."""
        self._put_aside(case, status, reason)
        if owns or self.strict:
            self.conversations.own(case.event)

    def send(self, message: Message) -> None:
        """A message that belongs to no event of the turn leaves with the commit."""
        self.bells[message.id] = message
        self.touched = True

    def ring(self, due: float, why: str) -> None:
        """A bell at `due`; at once where that is past. The same bell ordered twice is one."""
        if due <= self.now:
            due, why = 0.0, f"{why}:v{self.head.version + 1}"
        bell = doorbell(self.head.agent, due, why)
        self.bells[bell.id] = bell
        self.touched = True

    def set_timer(self, name: str, timer: Timer | None) -> None:
        """Writes or removes a timer, with the bell for its next run."""
        self.rows[TIMER, name] = Row(TIMER, name, encode(timer) if timer is not None else None)
        self.touched = True
        if timer is not None:
            self._next_tick = min(self._next_tick or timer.due, timer.due)
            self.ring(timer.due, "tick")

    def next_tick_is(self, due: float) -> None:
        """The due time of the first timer, known exactly after all timers were looked at."""
        if due != self._next_tick:
            self._next_tick = due
            self.touched = True
        if due:
            self.ring(due, "tick")  # the bell that was ordered with the timer may have been lost with its turn

    # --- what is committed ----------------------------------------------------------------------------------

    def change(self, head: Head, etag: str, receipts: tuple[str, ...]) -> Change:
        """The turn's one change; `head` carries the new state."""
        self._ring_for_backlog()
        control, reason = self._control
        backoff_until, outages = self._outage
        return Change(
            head=_replace(
                head,
                version=self.head.version + 1,
                control=control,
                reason=reason if control is not Control.ACTIVE or outages else "",
                next_order=self._next_order,
                backlog=self._backlog,
                backoff_until=backoff_until,
                outages=outages,
                next_tick=self._next_tick,
                waiting=self.conversations.waiting,
                freeing=self.conversations.freeing,
                handled=self._handled,
                unrelayed=tuple(self.unrelayed),
                step_blobs=head.step_blobs or self.step_blobs,
                created_at=head.created_at or self.now,
                updated_at=self.now,
            ),
            etag=etag,
            inserts=tuple(self.inserts),
            updates=tuple(self.updates),
            rows=tuple(self.rows.values()),
            outputs=tuple(self.bells.values()),
            receipts=receipts,
        )

    def outputs(self) -> list[Message]:
        """Everything that leaves after the commit, in the order of handling: what was parked came first."""
        sent = [message for row in (*self.updates, *self.inserts) for message in row.outputs]
        return [*sent, *self.bells.values()]

    # --- inside ---------------------------------------------------------------------------------------------

    def _end(self, case: Case, status: Status, reason: str, result: Any, outputs: tuple[Message, ...]) -> None:
        """The row of an event that ended or was put aside."""
        if outputs and not case.carried:
            self.unrelayed.append(case.key)
        self._handled += status is not Status.QUARANTINED
        self._leave(case)
        ended = self._written(case, status, reason)
        sent = with_sent(ended, outputs)
        self._keep(case, _replace(ended, result=result, outputs=outputs, sent=sent, finished_at=self.now))

    def _park(self, case: Case, reason: str, *, due: float, blocking: bool, attempts: int, owns: bool = False) -> None:
        """The row of an event that waits in the mailbox."""
        self._leave(case)
        if owns := owns and not self.strict and case.row is not None and case.row.claims > 0:
            self.conversations.own(case.event)
        self._backlog += blocking
        order = case.row.order if case.row else self._place(case.event)
        parked = self._written(case, Status.PARKED, reason)
        self._keep(case, _replace(parked, order=order, blocking=blocking, due=due, attempts=attempts, owns=owns))

    def _put_aside(
        self,
        case: Case,
        status: Status,
        reason: str,
        due: float = 0.0,
        waits: tuple[str, ...] = (),
        outputs: tuple[Message, ...] = (),
    ) -> None:
        """The row of an event that has steps, and that nothing in the mailbox queues behind."""
        self._leave(case)
        assert case.row is not None, "an event with steps has been claimed"
        aside = _replace(self._written(case, status, reason), attempts=case.row.attempts)
        self._keep(case, _replace(aside, due=due, waits=waits, outputs=outputs, sent=with_sent(aside, outputs)))

    def _written(self, case: Case, status: Status, reason: str) -> EventRow:
        """The event's row as this turn leaves it, with what it had before that is still true."""
        row = case.row
        return EventRow(
            key=case.key,
            event=case.event,
            fingerprint=row.fingerprint if row else case.fingerprint,
            status=status,
            reason=reason,
            order=row.order if row else 0,
            attempts=case.attempt,
            version=self.head.version + 1,
            accepted_at=row.accepted_at if row else self.now,
            began_at=row.began_at if row else 0.0,
            claims=row.claims if row else 0,
            sent=row.sent if row else (),
        )

    def _place(self, event: Event) -> int:
        self._next_order += 1
        return order_of(self._next_order, event.priority, self.strict, self.rules)

    def _leave(self, case: Case) -> None:
        """Where the event was parked, it no longer counts as waiting."""
        if case.row is not None:
            self._backlog -= case.row.blocking
            self._in_hand -= case.row.claimed_at > 0 and self._in_hand > 0

    def _keep(self, case: Case, row: EventRow) -> None:
        self.touched = True
        if case.row is None:
            self.inserts.append(row)
        else:
            self._move(row)

    def _move(self, row: EventRow) -> None:
        """A row that exists: what this turn made of it before is replaced."""
        self.touched = True
        if any(each.key == row.key for each in self.inserts):
            self.inserts = [row if each.key == row.key else each for each in self.inserts]
        else:
            self.updates = [*(each for each in self.updates if each.key != row.key), row]

    def _outputs(self, cause: Event, events: list[Event], timers: Timers = ()) -> tuple[Message, ...]:
        """Messages of what was sent, with the cause's credits shared among them and the timers of its chain."""
        hurried = [timer for _, timer in timers if timer is not None and timer.is_hurried(self.now)] if timers else []
        return messages_of(cause, events, hurried, self._limits)

    def _ring_for_backlog(self) -> None:
        """Whoever leaves blocking events behind sees to it that the agent wakes for them."""
        moves = self._control[0] in (Control.ACTIVE, Control.TERMINATED)
        waits = self._backlog > self._in_hand or bool(self.conversations.freeing)
        if waits and moves and self._outage[0] <= self.now and not self.blocked:
            self.ring(0.0, "backlog")
