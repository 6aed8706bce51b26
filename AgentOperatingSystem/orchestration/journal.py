"""The journal: what makes the steps of one event's handling durable, so that a retry reads them back.

Calls come in through the port in `agents/steps.py`; `Commits` makes them durable. Where the handling cannot go on (its
fence is lost, it has to wait, an effect is in doubt), the handler is stopped; the call that found out never returns.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Never

import msgspec

from AgentOperatingSystem.agents.steps import WAIT, Call, Done, Run, Step, StepKind, StepStatus, hash_of, step_name
from AgentOperatingSystem.errors import AOSError, HandlerError, TurnTimedOut
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.budgets.meter import Meter, Refused
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.commits import Commits
from AgentOperatingSystem.orchestration.decisions import describe
from AgentOperatingSystem.orchestration.evidence import keep_evidence
from AgentOperatingSystem.orchestration.ledger import (
    Aside,
    Ends,
    GoesOn,
    Overtaken,
    Verdict,
    Waits,
    acts,
    after_intent,
    endless,
    is_crowded,
    is_effect,
    is_repeatable,
    needs_intent,
    why_not,
)
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.siblings import Siblings
from AgentOperatingSystem.storage.records import Status

MOMENT_TICKS = 10
_replace = msgspec.structs.replace


class Journal:
    """The steps of one event's handling. Made by the kernel for each try, empty until the first step."""

    def __init__(
        self, commits: Commits, recorder: Recorder, meter: Meter, case: Case, stop: Callable[[], None], yield_at: float
    ) -> None:
        self.verdict: Verdict | None = None
        """Why the handling has to end here; whatever the handler returned or raised then is void."""
        self.divergences = 0
        """Steps of this try that none of the recorded ones matched."""
        self.waits: dict[str, Step] = {}
        """Steps whose answers the event waits for, by name."""
        self.asked: list[Event] = []
        """The events that ask for them, where they have not left yet."""
        self._commits = commits
        self._recorder = recorder
        self._meter = meter
        self._case = case
        self._stop = stop
        self._yield_at = yield_at
        self._claimed = False
        self._claiming = asyncio.Lock()
        self._recorded: dict[str, Step] = {}
        self._unasked: set[str] = set()
        """Names of recorded steps that this try has not come to yet."""
        self._come: set[str] = set()
        """Names of all steps that it has come to, recorded or not."""
        self._promised: Counter[tuple[str, str]] = Counter()
        """Tool calls that stand in model answers which this try has read back."""
        self._asked: Counter[tuple[StepKind, str]] = Counter()
        self._number = 0
        self._moved = False
        """Whether this try has made a step: one turn makes one at least, so that time alone never stops an event."""
        self._siblings = Siblings()
        self._stuck: dict[asyncio.Future[None], None] = {}
        self._over = False

    async def run(self, call: Call, run: Run) -> Done:
        """See `agents.steps.Journal`."""
        with self._siblings.calling():
            return await self._run(call, run)

    async def _run(self, call: Call, run: Run) -> Done:
        ticket = await self.begin(call)
        if ticket.recorded is not None:
            return ticket.recorded
        run = call.of(ticket.model) if ticket.model and call.of is not None else run
        limit = asyncio.timeout(await self._left_seconds(ticket) if ticket.has_intent else None)
        try:
            async with limit:
                done = await run(ticket.idempotency_key)
        except Exception as error:
            if ticket.has_intent and limit.expired():  # nobody here knows whether it happened, and it may yet
                over = ticket.step.deadline + self._recorder.skew_seconds
                await self.halt(GoesOn(f"{call.what}: did not end within {call.deadline_seconds:g} s", over))
            await ticket.fail(error)
            raise
        await ticket.finish(done)
        return done

    async def _left_seconds(self, ticket: "Ticket") -> float:
        """Until the deadline that the intent names: others count on it, however long it took to write."""
        seconds = ticket.step.deadline - self._recorder.now()
        if seconds <= 0:
            await self.fail(ticket.step, TurnTimedOut("its deadline passed before it was called"))
            await self.halt(GoesOn(f"{ticket.step.what}: its deadline passed before it was called"))
        return seconds

    async def begin(self, call: Call) -> "Ticket":
        """See `agents.steps.Journal`."""
        step, found, done = await self._come_to(call)
        if found is not None and done is not None:
            return Ticket(self, found, done)
        return await self._made(call, step, found)

    async def wait(
        self, call: Call, expires: float, ask: Callable[[str], list[Event]], why: str = "waits for an answer"
    ) -> Done:
        """See `agents.steps.Journal`; `why` is what the event's row says while it waits."""
        step, found, done = await self._come_to(call)
        if done is not None:
            return done
        if found is None and not is_crowded(self.waits, self._recorded):  # else it is asked when another is answered
            found = _replace(step, status=StepStatus.WAITING, deadline=expires)
            self.asked += ask(f"{WAIT}{self._case.key}/{found.name}")
        if found is not None:
            self.waits[found.name] = found
        await self._siblings.end()
        await asyncio.sleep(0)  # whoever asks at the same time is waited for too
        await self.halt(Waits(why))

    def clock(self) -> float:
        """See `agents.steps.Journal`."""
        return self._recorder.now()

    def end(self) -> None:
        """The handler is over: what it left running gets no further."""
        self._over = True
        for each in list(self._stuck):
            each.cancel()

    async def forgotten(self) -> list[str]:
        """Calls of unknown outcome that this try, which is over, has not come to again."""
        recorded = self._recorded if self._claimed else await self._recorder.read(self._case.key)
        left = self._unasked if self._claimed else set(recorded)
        return [recorded[name].what for name in left if recorded[name].status is StepStatus.INTENT]

    async def halt(self, verdict: Verdict) -> Never:
        """Ends the handling, when calls under way have come to their end; the first verdict stands. Never returns."""
        self.verdict = self.verdict or verdict
        if not self._is_lost:
            await self._siblings.end()
        self._stop()
        stuck: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stuck[stuck] = None
        try:
            await stuck
        finally:
            self._stuck.pop(stuck, None)
        raise AssertionError("a handling that was halted went on")

    @property
    def _is_lost(self) -> bool:
        """Whether nothing can be recorded any more."""
        return self._over or isinstance(self.verdict, Overtaken)

    # --- before a step ----------------------------------------------------------------------------------------

    async def _come_to(self, call: Call) -> tuple[Step, Step | None, Done | None]:
        """The step as it would be recorded, what is recorded of it, and the result in that where there is one."""
        step = self._counted(call)  # before anything is awaited: calls are counted in the order in which they are made
        await self._may_go_on()
        await self._claim()
        found = self._found(step, call)
        if found is None or found.status is not StepStatus.DONE:
            return step, found, None
        return step, found, await self._read_back(found)

    def _counted(self, call: Call) -> Step:
        """The step as it would be recorded, with its place and its occurrence."""
        occurrence = self._asked[call.kind, call.hash]
        self._asked[call.kind, call.hash] += 1
        self._number += 1
        self._come.add(step_name(call.kind, call.hash, occurrence))
        return Step(
            kind=call.kind,
            what=call.what,
            hash=call.hash,
            occurrence=occurrence,
            number=self._number,
            effect=call.effect,
            about=call.about,
            began_at=self._recorder.now(),
            attempt=self._case.attempt,
        )

    async def _may_go_on(self) -> None:
        if self._over:
            raise HandlerError("the handling of this event is over: a task that outlived it can make no step")
        if self.verdict is not None:
            await self.halt(self.verdict)

    async def _claim(self) -> None:
        """Before the first step: what is recorded is read, and the event's row says that it is in hand."""
        async with self._claiming:
            if self._claimed:
                return
            row = self._case.row
            try:
                if row is not None and row.claims:
                    self._recorded = await self._recorder.read(self._case.key)
                await self._commits.claim(self._case)
            except AOSError as error:
                await self.halt(Overtaken(error))
            self._claimed = True
            self._unasked = set(self._recorded)

    def _found(self, step: Step, call: Call) -> Step | None:
        """What is recorded of this very step."""
        found = self._recorded.get(step.name)
        self._unasked.discard(step.name)
        if found is not None and self._promised[call.what, call.hash] > 0:
            self._promised[call.what, call.hash] -= 1
        return found

    async def _made(self, call: Call, step: Step, found: Step | None) -> "Ticket":
        """A step that has to be made: for the first time, or again."""
        if found is not None and found.status is StepStatus.INTENT:
            settled = await self._settled(call, found)
            if settled is not None:
                return settled
        await self._may_be_made(call, step, found)
        step = _replace(
            step,
            diverged=found is None and self._strays(),
            tries=found.tries + 1 if found else 1,
            decided_by=found.decided_by if found else "",
            idempotency_key=hash_of(self._case.event.tenant, str(self._case.event.agent), self._case.key, step.name)[
                :40
            ],
        )
        if needs_intent(call):
            deadline = self._recorder.now() + call.deadline_seconds
            step = _replace(step, status=StepStatus.INTENT, deadline=deadline)
        model = await self._room(call, step)
        if step.status is StepStatus.INTENT:
            await self._append(step)
        elif self._meter.holds(step.name) or acts(call):  # what it was decided on is durable first
            await self._reserve()
        self._moved = True
        return Ticket(self, step, None, model)

    async def _room(self, call: Call, step: Step) -> str:
        """Reserves what the call may use, in the same commit as its intent; answers the model to ask in place of its
        own. Where a budget has no room, the event waits for it or ends.
        """
        while True:
            try:
                room = await self._meter.reserve(step.name, call)
            except AOSError as error:
                await self.halt(Overtaken(error))
            if not isinstance(room, Refused):
                return room
            await self._reserve()
            if not room.pauses:
                status = Status.FAILED if room.budget is not None else Status.QUARANTINED
                await self.halt(Ends(status, room.reason))
            pause = Call(kind=StepKind.WAIT, what="budget", hash=room.pause, about=room.reason)
            await self.wait(pause, room.until, lambda _: [], room.reason)

    async def _reserve(self) -> None:
        """Makes durable what the meter has written."""
        try:
            await self._commits.append(*self._meter.rows(), outputs=self._meter.notices())
        except AOSError as error:
            await self.halt(Overtaken(error))

    async def _may_be_made(self, call: Call, step: Step, found: Step | None) -> None:
        promised = self._promised[call.what, call.hash] > 0
        if found is None and (reason := await self._why_lost(call, promised=promised)):
            await self.halt(Aside(Status.DIVERGED, f"{reason}; it wanted {self._recorder.told(call.about)}"))
        if promised:
            self._promised[call.what, call.hash] -= 1
        if held := self._recorder.held():
            await self.halt(GoesOn(held))
        if reason := endless(step, self._commits.work.rules):
            await self.halt(Ends(Status.QUARANTINED, reason))
        if self._moved and asyncio.get_running_loop().time() > self._yield_at:
            await self.halt(GoesOn("its turn ran out of time"))

    async def _why_lost(self, call: Call, *, promised: bool) -> str:
        """Why a step that is not recorded must not be made. What is asked for at the same time has a moment to come."""
        reason = ""
        for _ in range(MOMENT_TICKS):
            effects = [name for name in self._unasked - self._come if is_effect(self._recorded[name])]
            if not (reason := why_not(call, effects, promised=promised)):
                return ""
            await self._siblings.end()  # they may be on their way to it, reading back what they did before
            await asyncio.sleep(0)
            await self._may_go_on()
        return reason

    def _strays(self) -> bool:
        """Whether a step is new although an earlier try has made others that were not come to yet."""
        if self._unasked:
            self.divergences += 1
            metrics.increment("step.divergences")
        return bool(self._unasked)

    async def _settled(self, call: Call, found: Step) -> "Ticket | None":
        """What became of a call that was about to be made when its turn ended: its result, or None to make it again."""
        outcome = await after_intent(call, found, self._recorder.now(), self._recorder.skew_seconds)
        if isinstance(outcome, Verdict):
            await self.halt(outcome)
        if not isinstance(outcome, Done):
            return None
        await self.record(_replace(found, decided_by="verify"), outcome)
        return Ticket(self, found, outcome)

    # --- after a step -----------------------------------------------------------------------------------------

    async def _read_back(self, step: Step) -> Done:
        try:
            done = await self._recorder.done(step)
        except AOSError as error:  # not for the handler to catch: it would go on as if the step had failed
            await self.halt(Overtaken(error))
        self._promised.update(done.promises)
        metrics.increment("step.read_back")
        return done

    async def record(self, step: Step, done: Done) -> None:
        """Keeps a result: durable, at the latest, before the next effect, wait or commit."""
        try:
            recorded = await self._recorder.recorded(step, done)
        except AOSError as error:
            await self.halt(Overtaken(error))
        await self._append(recorded)

    async def fail(self, step: Step, error: BaseException) -> None:
        """Keeps that a try raised: it is made again."""
        if not self._is_lost:
            self._meter.failed(step, error)
            await self._append(_replace(step, status=StepStatus.FAILED, error=describe(error)))

    async def _append(self, step: Step) -> None:
        """Makes a step durable, at once or with what comes next (`is_repeatable`). A result that comes when the fence
        is lost is kept as evidence, if any is needed.
        """
        if not self._is_lost:
            if step.status is StepStatus.DONE:
                self._meter.settle(step)
            rows = (self._recorder.row(self._case.key, step), *self._meter.rows())
            try:
                if is_repeatable(step):
                    self._commits.check()
                    self._commits.write(*rows, blob=bool(step.result_blob), outputs=self._meter.notices())
                else:
                    await self._commits.append(*rows, blob=bool(step.result_blob), outputs=self._meter.notices())
                self._recorded[step.name] = step
                return
            except AOSError as error:
                self.verdict = Overtaken(error)
        if step.status is StepStatus.DONE:
            await self._meter.late(step)
        if step.deadline and step.status is StepStatus.DONE:
            with suppress(AOSError):
                await keep_evidence(self._recorder, self._case.key, _replace(step, late=True))
        await self._may_go_on()


class Ticket:
    """One step under way; see `agents.steps.Ticket`."""

    def __init__(self, journal: Journal, step: Step, recorded: Done | None, model: str = "") -> None:
        self.step = step
        self.recorded = recorded
        self.model = model
        self._journal = journal

    @property
    def idempotency_key(self) -> str:
        return self.step.idempotency_key

    @property
    def has_intent(self) -> bool:
        """Whether somebody would have to be asked if this process died now."""
        return self.step.status is StepStatus.INTENT

    async def finish(self, done: Done) -> None:
        await self._journal.record(self.step, done)

    async def fail(self, error: BaseException) -> None:
        await self._journal.fail(self.step, error)
