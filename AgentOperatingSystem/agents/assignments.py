"""Who was given which task for whose sake: the state that delegators and dispatchers share.

It is a part of the agent's committed state, so the count of what each member has in hand is right after any crash: a
task is counted in the commit that sends it, and let go in the commit that handles its answer or its time-out.
"""

from collections import Counter
from typing import Any

import msgspec

from AgentOperatingSystem.agents.asking import REPLY, Owed
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event

TIMED_OUT = "aos.request.timed_out"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One task in a member's hands."""

    member: str
    """Its address: `name` or `name/key`."""
    owed: Owed
    """The answer that depends on it."""
    at: float
    """UTC seconds when it was given."""


class Assignments(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is in whose hands, and what each has done."""

    open: dict[str, Assignment] = {}
    """By correlation id."""
    done: dict[str, int] = {}
    """How many answers each member gave."""

    def load(self) -> Counter[str]:
        """How many tasks each member has in hand."""
        return Counter(each.member for each in self.open.values())


def is_answer(event: Event) -> bool:
    """Whether an event is what became of a request: its answer, or its time-out."""
    return event.type in (REPLY, TIMED_OUT)


async def assign(
    context: Context, state: Assignments, member: str, owed: Owed, data: Any, *, type: str, timeout_seconds: float
) -> str:
    """Asks a member, and counts it. Returns the correlation id. Raises as `Context.request` does."""
    correlation = await context.request(member, data, type=type, timeout_seconds=timeout_seconds, owed=owed)
    state.open = {**state.open, correlation: Assignment(member=member, owed=owed, at=context.now())}
    return correlation


async def settle(context: Context, state: Assignments, event: Event) -> dict[str, Any] | None:
    """Takes what became of a request and passes it on to whoever is owed it; None where it is not one of these.

    What they get is `{"by", "correlation", "result"}`, or `"error"` instead of the result after a time-out.
    """
    given = state.open.get(event.correlation)
    if given is None:
        return None
    state.open = {name: each for name, each in state.open.items() if name != event.correlation}
    outcome: dict[str, Any] = {"by": given.member, "correlation": event.correlation}
    if event.type == REPLY:
        state.done = {**state.done, given.member: state.done.get(given.member, 0) + 1}
        outcome["result"] = event.data
    else:
        outcome["error"] = f"{given.member} gave no answer within {context.now() - given.at:g} s"
    await context.answer(given.owed, outcome)
    return outcome
