"""One event's handling: run the handler within its time limit, and turn what it returned or raised into changes of the
turn.

Called by the kernel for each case; writes into `Work`. A handler that fails leaves no trace: its state is rewound,
nothing that it collected leaves.
"""

import asyncio
import logging
from typing import Any

import msgspec

from AgentOperatingSystem.agents.context import Context, Memory
from AgentOperatingSystem.agents.timers import REQUEST, TIMER, Timer
from AgentOperatingSystem.errors import AOSError, Conflict, Duplicate, HandlerError, StoreUnavailable, TurnTimedOut
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.mcp.context_server import UnderWay
from AgentOperatingSystem.observability import actions, metrics, spans
from AgentOperatingSystem.orchestration.awake import INTERRUPTED, Awake, Running, Watch
from AgentOperatingSystem.orchestration.cases import Case, reply_to
from AgentOperatingSystem.orchestration.commits import USUAL_MAX, Commits
from AgentOperatingSystem.orchestration.decisions import BackOff, End, Park, after_failure
from AgentOperatingSystem.orchestration.history import OFF, Keeper
from AgentOperatingSystem.orchestration.intake import read_timer
from AgentOperatingSystem.orchestration.journal import Journal
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.steps import Fenced, Halted, Steps, end_early
from AgentOperatingSystem.orchestration.waits import answers_a_wait, hand_over
from AgentOperatingSystem.orchestration.work import GOES_FIRST, Work
from AgentOperatingSystem.storage.records import Row, Status

OF_ITS_OWN = 5
"""Rows that an event changes at most beside those that its handler asks for."""
_log = logging.getLogger(__name__)
_decode = msgspec.json.decode
_replace = msgspec.structs.replace


class Interrupted(Exception):
    """The handler was stopped from outside; the turn begins again with a fresh head."""


class TurnMemory:
    """An agent's memory as the earlier events of its turn leave it, which is not committed yet."""

    def __init__(self, rows: dict[tuple[str, str], Row], stored: Memory) -> None:
        self._rows = rows
        self._stored = stored

    async def recall(self, key: str) -> Any:
        written = self._rows.get(("memory", key))
        return await self._stored.recall(key) if written is None else _value(written)

    async def recall_prefix(self, prefix: str, limit: int) -> dict[str, Any]:
        written = {name: row for (kind, name), row in self._rows.items() if kind == "memory"}
        found = await self._stored.recall_prefix(prefix, limit + len(written))
        found |= {name: _value(row) for name, row in written.items() if name.startswith(prefix)}
        return {name: found[name] for name in sorted(found) if name not in written or written[name].value is not None}

    async def read_row(self, kind: str, name: str) -> bytes | None:
        written = self._rows.get((kind, name))
        return await self._stored.read_row(kind, name) if written is None else written.value

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]:
        written = {name: row.value for (of, name), row in self._rows.items() if of == kind}
        found = await self._stored.read_rows(kind, prefix, after, limit + len(written))
        found |= {name: value or b"" for name, value in written.items() if name.startswith(prefix) and name > after}
        there = [name for name in sorted(found) if name not in written or written[name] is not None]
        return {name: found[name] for name in there[:limit]}


def _value(row: Row) -> Any:
    return _decode(row.value) if row.value is not None else None


class Handling:
    """Runs handlers for the kernel."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch

    async def handle(self, awake: Awake, commits: Commits, case: Case) -> None:
        """Handles one event, or parks it where one before it in this turn blocks. Raises `Interrupted`, and what the
        commits of its steps raise.
        """
        work = commits.work
        if work.blocked:
            work.hold(case, work.blocked)
        elif answers_a_wait(case.event):
            await hand_over(self._parts, work, case)
        elif work.conversations.holds(case.event):  # since an event before it in this turn waits
            work.hold_back(case)
        elif work.conversations.comes_after(case.event):
            work.hold(case, GOES_FIRST)
        elif _answers_a_request(case.event) and await self._comes_too_late(work, case):
            work.end(case, End(Status.CANCELLED, "no request waits for this answer any more"))
        else:
            await self._in_hand(awake, commits, case)

    async def _in_hand(self, awake: Awake, commits: Commits, case: Case) -> None:
        """One try, marked at the broker meanwhile: if this host dies of it, the next one knows which event it was."""
        work = commits.work
        bus, name = self._parts.bus, case.message_id
        crashes = bus.begins(name)
        try:
            if crashes > case.event.crashes:
                case.event = _replace(case.event, crashes=crashes)
            if case.event.crashes >= work.rules.crash_limit:
                work.end(case, End(Status.QUARANTINED, f"{case.event.crashes} hosts died while they handled it"))
            else:
                await self._try(awake, commits, case)
        finally:
            bus.ended(name)

    async def _try(self, awake: Awake, commits: Commits, case: Case) -> None:
        """One try: either all of its changes are in `work`, or a decision about its failure is."""
        work, begun = commits.work, self._parts.clock.now()
        try:
            context, result = await self._run(awake, commits, case)
            await self._make_room(commits, context)
            await self._take_over(awake, work, case, context, result)
            self._count(work, case, "success", begun)
        except Interrupted:
            raise
        except Fenced as fenced:
            raise fenced.error from None
        except Halted as halted:
            awake.rewind(awake.current)
            self._halted(awake, work, case, halted.journal)
        except (Exception, SystemExit) as error:  # an agent's code may raise anything; nobody else is to suffer from it
            awake.rewind(awake.current)
            self._failed(awake, work, case, error)
            self._count(work, case, "error", begun)

    async def _make_room(self, commits: Commits, context: Context) -> None:
        """Where an event changes much, what the turn did before it is committed without it. Raises `Fenced`."""
        rows = len(context.collected.rows) + len(context.collected.timers)
        if rows > USUAL_MAX - OF_ITS_OWN:
            try:
                await commits.make_room(rows + OF_ITS_OWN)
            except (Conflict, Duplicate, StoreUnavailable) as error:
                raise Fenced(error) from error

    def _count(self, work: Work, case: Case, status: str, begun: float) -> None:
        actions.acted(str(work.head.agent), case.event.type, status, self._parts.clock.now() - begun)

    async def _run(self, awake: Awake, commits: Commits, case: Case) -> tuple[Context, Any]:
        """Calls the handler, and stops it at its time limit. Raises what it raises, and `Halted`."""
        kind, agent, work = awake.kind, awake.agent, commits.work
        assert kind is not None
        assert agent is not None
        limits = self._parts.limits
        memory = TurnMemory(work.rows, awake.server.stored) if work.rows else awake.server.stored
        limit_seconds = kind.turn_timeout_seconds or work.rules.turn_timeout_seconds
        steps = Steps(self._parts, self._watch, commits, case, limit_seconds)
        context = Context(
            case.event,
            work.head.agent,
            awake.state,
            memory,
            self._parts.registry,
            limits,
            (case.row.began_at if case.row else 0.0) or work.now,
            case.attempt,
            steps,
        )
        context.role = agent.role
        running, result, was_cancelled = self._watch.enter(work.head.agent, limit_seconds), None, False
        under_way = UnderWay(context)
        try:
            with spans.handling(case.event, work.head.agent, case.attempt):
                result = await agent.on_event(case.event, context)
        except asyncio.CancelledError:
            if running.task.cancelling() > running.stops:
                raise  # the host itself stops
            was_cancelled = True
        finally:
            under_way.leave()
            steps.end()
            self._watch.leave(work.head.agent)
            if running.stops:
                await running.calm()
        if running.why == INTERRUPTED:
            raise Interrupted
        steps.raise_verdict()
        if was_cancelled:
            raise _why_cancelled(running, limit_seconds)
        await steps.raise_forgotten()
        return context, result

    async def _take_over(self, awake: Awake, work: Work, case: Case, context: Context, result: Any) -> None:
        """Puts the outcome of a handler that returned into the turn's work; raises before it changes anything."""
        collected = context.collected
        assert awake.kind is not None
        assert awake.agent is not None
        state = context.state if context.state is not awake.state else awake.agent.state
        content = awake.kind.codec.encode(state)
        if content != awake.current:
            awake.kind.codec.check(content)
        actions.knows(str(work.head.agent), "state", len(content))
        answer = reply_to(case, work.head.agent, result, work.now) if collected.deferred is None else None
        if answer is not None:
            collected.events.append(answer)
        changed = await self._changed(work, collected.timers) if collected.timers else []
        keeper = Keeper(self._parts, awake, work) if work.rules.history_states != OFF else None
        if keeper is not None:
            await keeper.found()
        work.done(case, result, collected, changed)
        if _answers_a_request(case.event):
            work.rows[TIMER, case.event.correlation] = Row(TIMER, case.event.correlation, None)
        awake.state, awake.agent.state, awake.current = state, state, content
        if keeper is not None:
            await keeper.left(case, collected)
        metrics.increment("agent.events.processed")

    async def _changed(self, work: Work, timers: dict[str, Timer | None]) -> list[tuple[str, Timer | None]]:
        """Scheduling the same again changes nothing, so that a schedule does not begin anew at every event."""
        changed: list[tuple[str, Timer | None]] = []
        for name, timer in timers.items():
            stored = await read_timer(self._parts.store, work, name) if timer is not None else None
            if timer is None or stored is None or not stored.same_as(timer):
                changed.append((name, timer))
        return changed

    async def _comes_too_late(self, work: Work, case: Case) -> bool:
        """Whether an answer's request was timed out before (or answered already): exactly one of the two is handled."""
        return await read_timer(self._parts.store, work, case.event.correlation) is None

    def _halted(self, awake: Awake, work: Work, case: Case, journal: Journal) -> None:
        """The journal ended the try: its verdict says what becomes of the event."""
        assert awake.agent is not None
        try:
            end_early(work, case, journal, owns=type(awake.agent).converses)
        except HandlerError as error:
            self._failed(awake, work, case, error)

    def _failed(self, awake: Awake, work: Work, case: Case, error: BaseException) -> None:
        assert awake.kind is not None
        decision = after_failure(
            error,
            attempt=case.attempt,
            outages=work.head.outages,
            restart=awake.kind.restart,
            rules=work.rules,
            now=self._parts.clock.now(),  # a handler may have worked for long before it failed
            jitter=self._parts.jitter(),
        )
        metrics.increment("agent.events.failed")
        level = logging.INFO if isinstance(error, AOSError) else logging.ERROR
        _log.log(level, "%s: event %s: %s", work.head.agent, case.event.id, decision, exc_info=level == logging.ERROR)
        if isinstance(decision, Park):
            work.retry(case, decision, owns=awake.agent is not None and awake.agent.converses)
        elif isinstance(decision, BackOff):
            work.back_off(case, decision)
        elif isinstance(decision, End):
            work.end(case, decision)
        else:
            work.stop(case, decision.reason)


def _answers_a_request(event: Event) -> bool:
    """Whether exactly one of this and a time-out is to be handled; an answer that nobody timed is an ordinary event."""
    return event.type == "aos.reply" and event.correlation.startswith(REQUEST)


def _why_cancelled(running: Running, limit_seconds: float) -> HandlerError:
    if running.why:
        return TurnTimedOut(f"the handler ran longer than {limit_seconds:g} s")
    return HandlerError("the handler waited for something that was cancelled")
