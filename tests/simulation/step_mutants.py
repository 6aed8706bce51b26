"""Ways to break the journal and the effect ledger, each a small change of the real ones; the simulator catches each."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents import approving
from AgentOperatingSystem.agents.steps import Call, Done, Run, StepStatus, tool_hash
from AgentOperatingSystem.orchestration import answering, journal
from AgentOperatingSystem.orchestration.budgets import late
from AgentOperatingSystem.orchestration.budgets.book import Book
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.commits import Commits
from AgentOperatingSystem.orchestration.conversations import Conversations
from AgentOperatingSystem.orchestration.journal import Journal
from AgentOperatingSystem.orchestration.ledger import after_intent
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.proof.simulator.observed import ObservedStore
from AgentOperatingSystem.proof.simulator.world import Build
from AgentOperatingSystem.storage.records import Change, Committed, EventRow
from AgentOperatingSystem.tools.records import ToolResult

_replace = msgspec.structs.replace


class UnfencedAppend(ObservedStore):
    """A step is written whoever has the agent meanwhile."""

    async def commit(self, change: Change) -> Committed:
        found = await self.load(change.head.agent)
        if change.rows and not change.inserts and not change.updates and found is not None:
            head = _replace(found[0], version=found[0].version + 1)
            change = _replace(change, head=head, etag=found[1])
        return await super().commit(change)


def no_claim(patch: pytest.MonkeyPatch) -> Build:
    """The event's row says nothing of its steps before the last commit."""

    async def claim(self: Commits, case: Case) -> None:
        await self.pay()
        self.work.claim(case)

    patch.setattr(Commits, "claim", claim)
    return Build()


def unfenced_append(patch: pytest.MonkeyPatch) -> Build:
    return Build(store=UnfencedAppend)


def no_intent(patch: pytest.MonkeyPatch) -> Build:
    """Nothing is written before a call that must not happen twice."""
    patch.setattr(journal, "needs_intent", lambda call: False)
    return Build()


def result_before_call(patch: pytest.MonkeyPatch) -> Build:
    """A tool's result is recorded when its call begins."""
    real = Journal._run

    async def run(self: Journal, call: Call, run: Run) -> Done:
        if call.kind != "tool":
            return await real(self, call, run)
        ticket = await self.begin(call)
        if ticket.recorded is not None:
            return ticket.recorded
        done = Done(content=msgspec.json.encode(ToolResult(content="done")))
        await ticket.finish(done)
        await run(ticket.idempotency_key)
        return done

    patch.setattr(Journal, "_run", run)
    return Build()


def verdict_before_deadline(patch: pytest.MonkeyPatch) -> Build:
    """A call that may still be under way is in doubt at once."""

    async def at_once(call: Call, found: Any, now: float, skew_seconds: float) -> Any:
        return await after_intent(call, found, math.inf, skew_seconds)

    patch.setattr(journal, "after_intent", at_once)
    return Build()


def effect_before_its_reason(patch: pytest.MonkeyPatch) -> Build:
    """An effect does not wait until the answer that it was decided on is durable."""
    patch.setattr(journal, "acts", lambda call: False)
    return Build()


def question_forgotten(patch: pytest.MonkeyPatch) -> Build:
    """An answer that comes in the same turn takes away what was asked besides."""
    real = Work.go_on

    def go_on(self: Work, row: EventRow, held: Any) -> None:
        real(self, _replace(row, outputs=()), held)

    patch.setattr(Work, "go_on", go_on)
    return Build()


def run_of_a_timer_lost(patch: pytest.MonkeyPatch) -> Build:
    """A claim commits that timers have moved on, whose runs nobody has kept yet."""
    patch.setattr(Work, "take", lambda self, case: case)
    return Build()


def conversation_open(patch: pytest.MonkeyPatch) -> Build:
    """Others get between an event and the answer that it waits for."""
    patch.setattr(Conversations, "holds", lambda self, event: False)
    return Build()


def reservation_released_on_takeover(patch: pytest.MonkeyPatch) -> Build:
    """What a turn that is gone had reserved is free again, as if its calls had never been made."""

    def take_over(self: Book, now: float) -> None:
        self.open = {}

    patch.setattr(Book, "take_over", take_over)
    return Build()


def approval_without_hash(patch: pytest.MonkeyPatch) -> Build:
    """An approval is for the tool, whatever its arguments are."""
    patch.setattr(approving, "tool_hash", lambda name, arguments: tool_hash(name, {}))
    return Build()


def late_charge_never_corrected(patch: pytest.MonkeyPatch) -> Build:
    """What a late call came to is told to nobody who listens."""

    async def told(parts: Any, agent: Any, steps: Any) -> dict[str, Any]:
        return {}

    patch.setattr(late, "told", told)
    return Build()


def approved_too_late(patch: pytest.MonkeyPatch) -> Build:
    """The desk of approvals takes verdicts on what is decided, and after its time."""
    real = answering.chosen

    def chosen(asked: Any, row: EventRow, answer: Any, now: float) -> Any:
        again = [each._replace(step=_replace(each.step, status=StepStatus.WAITING)) for each in asked]
        return real(again, row, answer, 0.0)

    patch.setattr(answering, "chosen", chosen)
    return Build()


MUTANTS: tuple[Callable[[pytest.MonkeyPatch], Build], ...] = (
    no_claim,
    unfenced_append,
    no_intent,
    result_before_call,
    verdict_before_deadline,
    effect_before_its_reason,
    question_forgotten,
    run_of_a_timer_lost,
    conversation_open,
    reservation_released_on_takeover,
    late_charge_never_corrected,
    approval_without_hash,
    approved_too_late,
)
