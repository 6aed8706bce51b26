"""What an event may wait for besides another agent: a person's approval, a person's answer, the end of a job.

The context and the tools make such steps (`step_calls.py`, `approving.py`, `jobs.py`); the desk that takes the answers
(`orchestration/answering.py`) reads them back from the journal. What is asked is published on `TOPIC`.
"""

from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.agents.steps import Call, Step, StepKind, hash_of
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

TOPIC = "aos.approvals"
REQUESTED, DECIDED = "aos.approval.requested", "aos.approval.decided"
PRINCIPAL = "principal"
"""The extension of an event that names who is behind it; an event that another one causes has it too."""


class Approval(msgspec.Struct, frozen=True, tag="approval", tag_field="wants", omit_defaults=True):
    """May this tool be called with exactly these arguments, once?"""

    tool: str
    arguments: Any
    hash: str
    """Over the tool's name and the arguments; an approval says which one it is for."""
    requester: str
    """Who may not approve it."""
    why: str = ""
    """What the tool's policy says."""


class Question(msgspec.Struct, frozen=True, tag="answer", tag_field="wants", omit_defaults=True):
    """What does a person say?"""

    question: str
    choices: tuple[Any, ...] = ()
    """What may be answered; anything where it is empty."""
    to: str = ""
    """Who is asked."""


class JobEnd(msgspec.Struct, frozen=True, tag="job", tag_field="wants", omit_defaults=True):
    """What did a job come to that goes on elsewhere?"""

    tool: str
    job_id: str


Wanted = Approval | Question | JobEnd


class Asker(Protocol):
    """The handling that asks; every context is one."""

    agent: AgentId
    event: Event

    def _made(self, name: str, **fields: Any) -> Event: ...


def wanted(step: Step) -> Wanted | None:
    """What a step waits for, where that is one of these."""
    if step.kind is not StepKind.WAIT or not isinstance(step.about, dict):
        return None
    try:
        found: Wanted = msgspec.convert(step.about, Wanted)
    except msgspec.ValidationError:
        return None
    return found


def wait_for(what: Wanted, whom: str, *hashed: Any) -> Call:
    """The step that waits for it; `hashed` is what makes it this very question."""
    kind = type(what).__struct_config__.tag
    return Call(
        kind=StepKind.WAIT,
        what=f"{kind} {whom}".strip(),
        hash=hash_of(kind, whom, *hashed),
        about=msgspec.to_builtins(what),
    )


def requested(asker: Asker, what: Wanted, correlation: str, expires: float) -> Event:
    """What is published when a person is asked."""
    event_key, _, step = correlation.partition(":")[2].partition("/")
    about = {"agent": str(asker.agent), "event_key": event_key, "step": step, "expires": expires}
    return asker._made(
        f"{correlation}-asked",
        tenant=asker.agent.tenant,
        topic=TOPIC,
        type=REQUESTED,
        data=about | msgspec.to_builtins(what),
        conversation=asker.event.conversation,
        correlation=correlation,
    )


def requester_of(event: Event) -> str:
    """Who is behind an event: its principal, else its source."""
    return str((event.extensions or {}).get(PRINCIPAL) or event.source)


def behind_of(event: Event) -> dict[str, str | int | bool] | None:
    """What an event that this one causes says of who is behind it."""
    named = (event.extensions or {}).get(PRINCIPAL)
    return {PRINCIPAL: named} if named else None


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one: as they stand, or where one is the last part of the other's path."""
    first, second = one.strip().casefold().rstrip("/"), other.strip().casefold().rstrip("/")
    return first == second or first.rpartition("/")[2] == second.rpartition("/")[2]
