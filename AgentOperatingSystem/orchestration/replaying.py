"""Replays: a recorded event handled again, offline, with recorded answers. No effect is performed.

The handler runs over a store in memory that holds what the event found. Its journal answers from the recording; a call
that is not recorded is not made: the replay ends there and says so. With another model or prompt, model calls are made
anew, and everything else is still answered from the recording.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Never

import msgspec

from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.agents.steps import Call, Done, Run, Step, StepKind, StepStatus, step_name
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import HandlerError
from AgentOperatingSystem.events import Event, encode, fingerprint
from AgentOperatingSystem.mcp.context_server import ContextMCPServer, UnderWay
from AgentOperatingSystem.orchestration.cases import Case, reply_to
from AgentOperatingSystem.orchestration.decisions import describe
from AgentOperatingSystem.orchestration.history import Difference, differences
from AgentOperatingSystem.orchestration.recordings import Recording, value_of
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, Head, Row, Sent, Status

TIMEOUT_SECONDS = 300.0


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a replay, beside what was recorded."""

    status: str
    """`done`, `failed` as its handler raised, or `diverged` where it wanted what was not recorded."""
    reason: str = ""
    result: Any = None
    state: Any = None
    result_changes: tuple[Difference, ...] = ()
    state_changes: tuple[Difference, ...] = ()
    sends_missing: tuple[Sent, ...] = ()
    """What was sent then and is not now."""
    sends_new: tuple[Sent, ...] = ()
    sends_changed: tuple[Sent, ...] = ()
    """What is sent still, with another content."""
    divergences: tuple[str, ...] = ()
    """Calls that were not recorded, and recorded ones that were not asked for."""
    model_calls: int = 0
    """Model calls that were made anew."""
    not_compared: tuple[str, ...] = ()
    """What the recording does not know."""

    @property
    def equal(self) -> bool:
        """Whether everything came as it was recorded."""
        return not self.report()

    def report(self) -> list[str]:
        """One line for each difference; nothing where all is equal."""
        changes = [("result", each) for each in self.result_changes] + [("state", each) for each in self.state_changes]
        return [
            *([f"{self.status}: {self.reason}"] if self.reason else []),
            *self.divergences,
            *(f"{what}{each.path} {each.change}: {each.before!r} → {each.after!r}" for what, each in changes),
            *(f"not sent any more: {each.id} to {each.to}" for each in self.sends_missing),
            *(f"sent now: {each.id} to {each.to}" for each in self.sends_new),
            *(f"sent with another content: {each.id} to {each.to}" for each in self.sends_changed),
        ]


async def replay(recording: Recording, registry: Registry, *, model: str = "") -> Replayed:
    """Handles a recorded event again. `model` is asked in place of every recorded model call, where it is given.

    Raises `UnknownAgent` where no code is registered for its agent, `StateUnreadable`.
    """
    sandbox = await _Sandbox.made(recording, registry)
    journal = ReplayJournal(recording.steps, model)
    context = sandbox.context(journal)
    handler = asyncio.create_task(sandbox.run(context), name="aos-replay")
    journal.stop = handler.cancel
    status, reason, result = Status.DONE.value, "", None
    try:
        result = await handler
    except asyncio.CancelledError:
        if not journal.refused:
            raise
    except Exception as error:
        status, reason = Status.FAILED.value, describe(error)
    if journal.refused:
        return Replayed(status=Status.DIVERGED.value, reason=journal.refused, model_calls=journal.model_calls)
    return _compared(recording, sandbox, context, journal, (status, reason, result))


class ReplayJournal:
    """A journal that answers from a recording; see `agents.steps.Journal`."""

    def __init__(self, steps: tuple[Step, ...], model: str) -> None:
        self.refused = ""
        """The call that was wanted and is not recorded."""
        self.model_calls = 0
        self.stop: Callable[[], object] = bool
        self._steps = {step.name: step for step in steps}
        self._model = model
        self._asked: Counter[tuple[StepKind, str]] = Counter()
        self._came: set[str] = set()

    async def run(self, call: Call, run: Run) -> Done:
        ticket = await self.begin(call)
        if ticket.recorded is None:
            return await run("")
        return ticket.recorded

    async def begin(self, call: Call) -> "ReplayTicket":
        if call.kind is StepKind.MODEL and self._model:
            self.model_calls += 1
            return ReplayTicket(None, self._model)
        return ReplayTicket(await self._found(call), "")

    async def wait(self, call: Call, expires: float, ask: Callable[[str], list[Event]]) -> Done:
        return await self._found(call)

    def clock(self) -> float:
        return SystemClock().now()

    def left_over(self) -> list[str]:
        """What is recorded and was not asked for."""
        return [
            f"recorded, and not asked for now: {step.kind} {step.what}"
            for step in self._steps.values()
            if step.name not in self._came
            and step.status is StepStatus.DONE
            and not (self._model and step.kind is StepKind.MODEL)
        ]

    async def _found(self, call: Call) -> Done:
        name = step_name(call.kind, call.hash, self._asked[call.kind, call.hash])
        self._asked[call.kind, call.hash] += 1
        step = self._steps.get(name)
        if step is None or step.status is StepStatus.WAITING:
            await self._refuse(f"not recorded: {call.kind} {call.what} with {_brief(call.about)}")
        self._came.add(name)
        if step.status is not StepStatus.DONE:
            raise HandlerError(f"{step.what}: {step.error or 'its outcome was not recorded'}")
        return Done(content=bytes(step.result), spent=step.spent, is_error=step.is_error)

    async def _refuse(self, why: str) -> Never:
        """Ends the replay; nothing that the handler does with an exception can hide it."""
        self.refused = self.refused or why
        self.stop()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("a replay that was ended went on")


class ReplayTicket:
    """One step of a replay; see `agents.steps.Ticket`."""

    idempotency_key = ""

    def __init__(self, recorded: Done | None, model: str) -> None:
        self.recorded = recorded
        self.model = model

    async def finish(self, done: Done) -> None:
        """Nothing is kept of a replay."""

    async def fail(self, error: BaseException) -> None:
        """Nothing is kept of a replay."""


class _Opened:
    """The steps of a replay: a journal that is there already."""

    def __init__(self, journal: ReplayJournal) -> None:
        self._journal = journal

    def open(self) -> ReplayJournal:
        return self._journal


class _Sandbox:
    """The recorded agent, in memory."""

    def __init__(self, recording: Recording, registry: Registry, server: ContextMCPServer) -> None:
        self.recording = recording
        self.kind = registry.get(recording.agent)
        self.agent = self.kind.make(recording.agent)
        self._registry = registry
        self._server = server
        content = b"" if recording.state == msgspec.Raw(b"null") else bytes(recording.state)
        self.before = self.kind.codec.decode(content, recording.schema)
        self.agent.state = self.before
        self.agent.context_server = server

    @classmethod
    async def made(cls, recording: Recording, registry: Registry) -> "_Sandbox":
        store, blobs, clock = MemoryAgentStore(), MemoryBlobStore(SystemClock()), SystemClock()
        head = Head(agent=recording.agent, version=1, schema=recording.schema, state=bytes(recording.state))
        rows = tuple(Row(kind, name, bytes(value)) for kind, name, value in recording.rows)
        await store.commit(Change(head=head, etag="", rows=rows))
        server = ContextMCPServer(recording.agent, store, blobs, clock)
        await server.initialize()
        return cls(recording, registry, server)

    def context(self, journal: ReplayJournal) -> Context:
        recording = self.recording
        made = Context(
            recording.event,
            recording.agent,
            self.before,
            self._server.stored,
            self._registry,
            Limits(),
            recording.now,
            recording.attempt,
            _Opened(journal),
        )
        made.role = self.agent.role
        return made

    async def run(self, context: Context) -> Any:
        """The handler, as the kernel calls it."""
        under_way = UnderWay(context)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self.agent.on_event(self.recording.event, context)
        finally:
            under_way.leave()

    def after(self, context: Context) -> Any:
        """The state that the handler has left, as JSON has it."""
        state = context.state if context.state is not self.before else self.agent.state
        return msgspec.json.decode(self.kind.codec.encode(state))


def _compared(
    recording: Recording, sandbox: _Sandbox, context: Context, journal: ReplayJournal, came: tuple[str, str, Any]
) -> Replayed:
    status, reason, result = came
    failed = status == Status.FAILED
    value = msgspec.json.decode(encode(result))
    state = value_of(recording.state) if failed else sandbox.after(context)
    sent = {} if failed else _sends(recording, context, result)
    expected = {each.id: each for each in recording.sends}
    sends = list(sent)
    marks = recording.marks
    return Replayed(
        status=status,
        reason=_why(recording, status, reason),
        result=value,
        state=state,
        result_changes=tuple(differences(value_of(recording.result), value)),
        state_changes=tuple(differences(value_of(recording.left), state)) if recording.left_is_known else (),
        sends_missing=tuple(each for each in recording.sends if each not in sends),
        sends_new=tuple(each for each in sends if each not in recording.sends),
        sends_changed=tuple(
            each for each, mark in sent.items() if expected.get(each.id) == each and marks.get(each.id, mark) != mark
        ),
        divergences=tuple(journal.left_over()),
        model_calls=journal.model_calls,
        not_compared=(*(("the state it left",) if not recording.left_is_known else ()), *recording.unknown),
    )


def _why(recording: Recording, status: str, reason: str) -> str:
    """How the end differs from the recorded one; empty where it does not."""
    if status == Status.DONE:
        return f"it was {recording.status} then: {recording.reason}" if recording.status != Status.DONE else ""
    return "" if recording.reason.startswith(reason) else reason


def _sends(recording: Recording, context: Context, result: Any) -> dict[Sent, str]:
    """What would be sent, as a row names it, with a hash of its content."""
    events = list(context.collected.events)
    if context.collected.deferred is None:
        reply = reply_to(Case(recording.event), recording.agent, result, recording.now)
        events += [reply] if reply is not None else []
    return {
        Sent(each.id, each.agent.partition if each.agent else f"#{each.topic}"): fingerprint(each) for each in events
    }


def _brief(about: Any) -> str:
    text = encode(about).decode()
    return text if len(text) <= 200 else text[:199] + "…"
