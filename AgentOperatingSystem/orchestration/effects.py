"""The effect ledger's desk: events with a call of unknown outcome (`in_doubt`), and events whose retry wanted another
effect than their first try had (`diverged`). A person says what is to become of them.

Fed by the doors; changes the event from outside of any turn (`outside.py`). Each verdict stands in the step that it is
about, with who gave it and when. A result that comes late needs no person (`evidence.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from AgentOperatingSystem.agents.steps import Done, Step, StepStatus
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import IllegalTransition, InvalidInput, TooLarge, UnknownEvent
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.decisions import End
from AgentOperatingSystem.orchestration.evidence import is_asked
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.outside import change_event, let_go
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.resuming import resume
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import ENDS, EventRow, Page, Status
from AgentOperatingSystem.tools.records import ToolResult

LISTED = (Status.IN_DOUBT, Status.DIVERGED)
RESULT_BYTES_MAX = 32 << 10
BY_LENGTH_MAX = 128
_replace = msgspec.structs.replace


class Effects(NamedTuple):
    """An event that waits for a verdict, with all its steps in the order in which they were begun."""

    row: EventRow
    steps: tuple[Step, ...]
    decidable_at: float
    """UTC seconds before which nobody may decide: a call may still be under way. 0 where there is none."""

    @property
    def in_doubt(self) -> tuple[Step, ...]:
        """Calls that somebody has to decide about."""
        return undecided(self.steps)


def undecided(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Calls that were about to be made, and of which nobody has said what became."""
    return tuple(step for step in steps if step.status is StepStatus.INTENT)


class EffectsDesk:
    """Lists, shows, confirms, retries, fails and drops."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def list(self, tenant: str, after: str = "", limit: int = 100) -> Page[EventRow]:
        """What is in doubt over all agents of a tenant, then what has diverged.

        Raises `InvalidInput` where `after` is no page's.
        """
        status, _, place = after.partition(":")
        if after and status not in LISTED:
            raise InvalidInput(f"after={after[:80]!r} is not the end of a page of this list")
        found: list[EventRow] = []
        for each in LISTED[LISTED.index(Status(status)) if after else 0 :]:
            page = await self._parts.store.find(tenant, each, place, limit - len(found))
            found, place = [*found, *page.items], ""
            if page.after:
                return Page(tuple(found), f"{each}:{page.after}")
            if len(found) == limit and each is not LISTED[-1]:
                return Page(tuple(found), f"{LISTED[-1]}:")
        return Page(tuple(found))

    async def show(self, agent: AgentId, key: str) -> Effects:
        """An event with its steps, wherever it stands. Raises `UnknownEvent`."""
        row = await self._parts.store.event(agent, key)
        if row is None:
            raise UnknownEvent(f"{agent} has no event {key!r}; `aos effects ls` names those that wait for a verdict")
        return await self._effects(agent, row)

    async def confirm(self, agent: AgentId, key: str, result: Any = None, *, step: str = "", by: str = "") -> EventRow:
        """The call happened, and this JSON is its result: a text as the model would have read it, or any value.

        Raises `IllegalTransition` where nothing is to be decided, not yet, or not any more; `UnknownEvent`,
        `InvalidInput`, `TooLarge`. So do `retry` and `fail`.
        """
        content = result if isinstance(result, str) else encode(result).decode()
        return await self._decide(agent, key, step, "confirm", by, self._told(ToolResult(content=content)))

    async def fail(self, agent: AgentId, key: str, reason: str = "", *, step: str = "", by: str = "") -> EventRow:
        """The call failed: whoever made it, the model or the handler, reads an error."""
        content = f"the call failed: {reason}" if reason else "the call failed"
        told = self._told(ToolResult(content=content, is_error=True))
        return await self._decide(agent, key, step, "fail", by, told)

    async def retry(self, agent: AgentId, key: str, *, step: str = "", by: str = "") -> EventRow:
        """The call did not happen: it is made again, with its idempotency key. A diverged event is tried again as it
        is, by code that was mended meanwhile.
        """
        row = await self._parts.store.event(agent, key)
        if row is not None and row.status is Status.DIVERGED:
            return await self._again(agent, key)

        async def undo(recorder: Recorder, found: Step) -> Step:
            told = f"did not happen, says {_who(by)}"
            return _replace(found, status=StepStatus.FAILED, error=told, ended_at=recorder.now())

        return await self._decide(agent, key, step, "retry", by, undo)

    async def drop(self, agent: AgentId, key: str, reason: str = "", *, by: str = "") -> EventRow:
        """Ends the event as cancelled: nothing of it is made any more. Its steps stay, for whoever looks.

        Raises `IllegalTransition` where it waits for no verdict, or a call of it may still be under way.
        """

        async def decide(work: Work, case: Case, row: EventRow) -> None:
            effects = await self._effects(agent, row)
            _check_waits(effects)
            self._check_time(effects, undecided(effects.steps))
            await let_go(self._parts, work, row)
            work.end(case, End(Status.CANCELLED, f"dropped by {_who(by)}" + (f": {reason}" if reason else "")))

        return await self._changed(agent, key, "drop", decide)

    # --- inside -----------------------------------------------------------------------------------------------

    async def _effects(self, agent: AgentId, row: EventRow) -> Effects:
        found = (await Recorder(self._parts, agent).read(row.key)).values() if row.claims else ()
        steps = tuple(sorted(found, key=lambda step: step.number))
        last = max((step.deadline for step in undecided(steps)), default=0.0)
        return Effects(row, steps, last + self._parts.rules.clock_skew_seconds if last else 0.0)

    def _told(self, result: ToolResult) -> "Settle":
        content = msgspec.json.encode(result)
        if len(content) > RESULT_BYTES_MAX:
            raise TooLarge(f"a result of {len(content)} bytes; a verdict may have {RESULT_BYTES_MAX}")

        async def settle(recorder: Recorder, found: Step) -> Step:
            return await recorder.recorded(found, Done(content=content, is_error=result.is_error))

        return settle

    async def _decide(self, agent: AgentId, key: str, name: str, verdict: str, by: str, settle: "Settle") -> EventRow:
        """Writes a verdict into the step that it is about; the event goes on when the last one is decided."""
        recorder = Recorder(self._parts, agent)

        async def decide(work: Work, case: Case, row: EventRow) -> None:
            effects = await self._effects(agent, row)
            step = _chosen(effects, name)
            self._check_time(effects, (step,))
            _check_waits(effects)  # a verdict brings back no event that was cancelled meanwhile
            settled = _replace(await settle(recorder, step), decided_by=_who(by))
            kept = recorder.row(key, settled)
            work.rows[kept.kind, kept.name] = kept
            work.step_blobs = work.step_blobs or bool(settled.result_blob)
            if await is_asked(recorder, key, besides=step.name):
                work.keep(row)
            else:
                await resume(self._parts, work, row)

        return await self._changed(agent, key, verdict, decide)

    async def _again(self, agent: AgentId, key: str) -> EventRow:
        async def decide(work: Work, case: Case, row: EventRow) -> None:
            if row.status is not Status.DIVERGED:
                raise IllegalTransition(f"event {row.event.id!r} of {agent} is {row.status}, and diverged no more")
            await resume(self._parts, work, row)

        return await self._changed(agent, key, "retry", decide)

    async def _changed(
        self, agent: AgentId, key: str, verdict: str, decide: Callable[[Work, Case, EventRow], Awaitable[None]]
    ) -> EventRow:
        row = await change_event(self._parts, self._kernel, agent, key, verdict, decide)
        metrics.increment("effects.decided", verdict=verdict)
        return row

    def _check_time(self, effects: Effects, steps: tuple[Step, ...]) -> None:
        """Raises `IllegalTransition` and says when, where a call may still be under way."""
        last = max((step.deadline for step in steps), default=0.0) + self._parts.rules.clock_skew_seconds
        if steps and self._parts.clock.now() < last:
            what = ", ".join(sorted({step.what for step in steps}))
            raise IllegalTransition(
                f"{what} may still be under way: no verdict before {iso(last)}, its deadline plus clock_skew_seconds"
            )


Settle = Callable[[Recorder, Step], Awaitable[Step]]
"""Makes of a call in doubt what a verdict says that it came to."""


def _chosen(effects: Effects, name: str) -> Step:
    """The call that a verdict is about. Raises `IllegalTransition`, `InvalidInput`."""
    open_ones = {step.name: step for step in effects.in_doubt}
    if name and name in open_ones:
        return open_ones[name]
    known = next((step for step in effects.steps if step.name == name), None) if name else None
    if known is not None and known.decided_by:
        raise IllegalTransition(f"{known.what} was decided by {known.decided_by} already")
    if name:
        raise InvalidInput(f"no call {name[:80]!r} is in doubt here; `aos effects show` names them")
    if effects.row.status in LISTED and len(open_ones) > 1:
        raise InvalidInput(f"{len(open_ones)} calls are in doubt: say which one (step), {', '.join(sorted(open_ones))}")
    if not open_ones:
        _check_waits(effects)
        raise IllegalTransition(f"no call of event {effects.row.event.id!r} is in doubt: retry it, or drop it")
    return next(iter(open_ones.values()))


def _check_waits(effects: Effects) -> None:
    """Raises `IllegalTransition` for an event that waits for no verdict."""
    row = effects.row
    if row.status in LISTED:
        return
    decided = sorted({f"{step.what}: {step.decided_by}" for step in effects.steps if step.decided_by})
    ended = "has ended" if row.status in ENDS else "waits for no verdict"
    why = f" (decided already: {', '.join(decided)})" if decided else ""
    raise IllegalTransition(f"event {row.event.id!r} of {row.event.agent} {ended}: it is {row.status}{why}")


def _who(by: str) -> str:
    """Whose verdict it is. Raises `InvalidInput` for a name that is too long."""
    if len(by) > BY_LENGTH_MAX:
        raise InvalidInput(f"by={by[:40]!r}…: at most {BY_LENGTH_MAX} characters")
    return by or "somebody"
