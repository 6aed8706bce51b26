"""The effect ledger's decisions: what may be made, what may be made again, and who has to be asked. Pure.

The journal asks before each step. A call that must not happen twice leaves an intent before it is made; an intent
without a result is in doubt until its verify hook, its late result or a person says what became of it.
"""

from collections.abc import Collection, Mapping
from typing import Final

from AgentOperatingSystem.agents.steps import Call, Done, Step, StepKind, StepStatus
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import Status
from AgentOperatingSystem.tools.records import HAPPENS_ONCE, Effect

WAITS_MAX: Final = 40
"""How many answers an event waits for at a time; each is a row and a timer of its commit."""
_DOES = (StepKind.TOOL, StepKind.FUNCTION)


class Verdict(Exception):
    """Why a handling ends before its handler does. Its event is kept."""


class Overtaken(Verdict):
    """A commit of the journal failed: another host has the agent, control changed it, or the store is away."""

    def __init__(self, error: AOSError) -> None:
        super().__init__(str(error))
        self.error = error


class GoesOn(Verdict):
    """The event goes on from its journal in another turn: at once, or at `due`."""

    def __init__(self, reason: str, due: float = 0.0) -> None:
        super().__init__(reason)
        self.due = due


class Waits(Verdict):
    """The event waits for answers."""


class Aside(Verdict):
    """A person has to say what is to happen."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Ends(Verdict):
    """The event ends here, or is put aside: a budget's limit, or no end in sight."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Again:
    """The call has not happened: it is made again."""


AGAIN: Final = Again()


def needs_intent(call: Call) -> bool:
    """Whether the call leaves an intent before it is made."""
    return call.kind in _DOES and call.effect in HAPPENS_ONCE


def acts(call: Call) -> bool:
    """Whether the call may do more than look or think. A retry must come to it again with the same arguments."""
    return call.kind in _DOES and (call.kind is StepKind.FUNCTION or call.effect is not Effect.PURE)


def is_effect(step: Step) -> bool:
    """Whether the step did, or may have done, something that a retry has to come to again."""
    made = step.status in (StepStatus.DONE, StepStatus.INTENT)
    return made and step.kind in _DOES and step.effect is not Effect.PURE


def is_repeatable(step: Step) -> bool:
    """Whether the step did nothing but look or think. Its row is written while the handler goes on, and is durable
    before the next effect, wait or commit; if the host dies first, the step is made again.
    """
    return step.status is StepStatus.DONE and step.kind is not StepKind.FUNCTION and step.effect is Effect.PURE


def is_crowded(waits: Mapping[str, Step], recorded: Mapping[str, Step]) -> bool:
    """Whether an event waits for as many answers as one commit can hold."""
    before = {name for name, step in recorded.items() if step.status is StepStatus.WAITING}
    return bool(waits) and len(before | waits.keys()) >= WAITS_MAX


def why_not(call: Call, unasked: Collection[str], *, promised: bool) -> str:
    """Why a call that is not recorded must not be made; empty where it may.

    While a recorded effect has not been asked for again, the retry has lost its way: another effect would stand beside
    one that nobody remembers. Reading and thinking may go on, and so may what a recorded answer of a model asked for.
    """
    if not unasked or promised or call.kind not in _DOES or call.effect is Effect.PURE:
        return ""
    missing = ", ".join(sorted(unasked)[:3])
    return f"{call.what} was not called: this retry has not come to {missing}, which an earlier try has done"


def endless(step: Step, rules: Rules) -> str:
    """Why a step is one too many within its event; empty where it is not."""
    if step.number > rules.event_steps_max:
        return f"no end in sight: {step.what} would be step {step.number} of this event (event_steps_max)"
    if step.occurrence >= rules.step_repeats_max:
        return f"no progress: {step.what} was asked the very same {step.occurrence} times (step_repeats_max)"
    return ""


async def after_intent(call: Call, found: Step, now: float, skew_seconds: float) -> Done | Again | Verdict:
    """What became of a call that was about to be made when its turn ended. No verdict is taken before its deadline has
    passed on every clock: it may still be under way.
    """
    over = found.deadline + skew_seconds
    if now < over:
        return GoesOn(f"{found.what}: a call of an earlier try may still be under way", over)
    if found.effect is not Effect.VERIFY or call.verify is None:
        return in_doubt(found)
    try:
        happened = await call.verify(found.idempotency_key)
    except Exception as error:
        return in_doubt(found, f"; its verify hook could not tell: {type(error).__name__}: {error}")
    return AGAIN if happened is None else happened


def in_doubt(step: Step, why: str = "") -> Aside:
    """Nobody knows whether the call has happened."""
    return Aside(Status.IN_DOUBT, f"{step.what}: its outcome is not known{why}. See `aos effects`.")
