"""Answers that an event waits for: what it waits for is kept, the answer is written into its journal, it goes on.

The kernel's handling hands every event here that answers a wait; an answer is an ordinary event, deduped as all are.
Sources of answers: another agent's reply, a person's verdict, a finished job, or the time limit.
"""

import msgspec

from AgentOperatingSystem.agents.asking import REPLY
from AgentOperatingSystem.agents.steps import STEP, WAIT, Step, StepStatus, decode_step
from AgentOperatingSystem.agents.timers import TIMER, Timer
from AgentOperatingSystem.agents.waiting import Approval, Question, wanted
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.decisions import End
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.resuming import resume
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import EventRow, Row, Status

EXPIRED = "aos.wait.expired"
ANSWERS = frozenset({REPLY, "aos.answer", EXPIRED})
"""Types of the events that answer."""
GO_ON = (Status.WAITING, Status.PARKED)
PUT_ASIDE = (Status.IN_DOUBT, Status.DIVERGED, Status.QUARANTINED)
"""Where the event stays until a person has decided; an answer that comes meanwhile is kept for then."""
_replace = msgspec.structs.replace


def answers_a_wait(event: Event) -> bool:
    """Whether an event waits for this one, or has waited."""
    return event.correlation.startswith(WAIT) and event.type in ANSWERS


def expiry(case: Case, step: Step) -> Timer:
    """The timer that answers where nobody else does."""
    return Timer(
        name=f"{WAIT}{case.key}/{step.name}",
        due=step.deadline,
        type=EXPIRED,
        request=True,
        conversation=case.event.conversation,
    )


async def hand_over(parts: Parts, work: Work, case: Case) -> None:
    """Writes the answer into the journal of the event that waits for it, which goes on. The first answer counts: any
    other comes too late and changes nothing.
    """
    name = case.event.correlation.removeprefix(WAIT)
    step = await _waiting_step(parts, work, name)
    row = await _waiting_event(parts, work, name.partition("/")[0])
    if step is None or row is None:
        work.end(case, End(Status.CANCELLED, "no event waits for this answer any more"))
        return
    if reason := _why_not(step, case.event):
        work.end(case, End(Status.CANCELLED, reason))
        return
    work.rows[STEP, name] = Row(STEP, name, parts.redact(encode(_answered(step, case.event, work.now))))
    if case.event.type != EXPIRED:
        work.rows[TIMER, case.event.correlation] = Row(TIMER, case.event.correlation, None)
    if row.status in PUT_ASIDE:
        work.keep(row)
    else:
        await resume(parts, work, row)
    work.end(case, End(Status.DONE, ""))


def _why_not(step: Step, answer: Event) -> str:
    """Why an event does not answer what this step asks; empty where it does."""
    wants = wanted(step)
    if answer.type == EXPIRED or wants is None:
        return ""
    if isinstance(wants, Approval):
        return "a tool call is approved at the desk of approvals, by a person"
    if isinstance(wants, Question) and wants.choices and answer.data not in wants.choices:
        return f"the answer is none of {encode(wants.choices).decode()}"
    return ""


async def _waiting_step(parts: Parts, work: Work, name: str) -> Step | None:
    written = work.rows.get((STEP, name))
    if written is not None:
        step = decode_step(written.value) if written.value is not None else None
    else:
        step = await Recorder(parts, work.head.agent).one(name)
    return step if step is not None and step.status is StepStatus.WAITING else None


async def _waiting_event(parts: Parts, work: Work, key: str) -> EventRow | None:
    """The row as this turn leaves it, if it is open: a second answer may come while it waits for its turn."""
    written = next((row for row in reversed((*work.inserts, *work.updates)) if row.key == key), None)
    row = written or await parts.store.event(work.head.agent, key)
    return row if row is not None and row.status in (*GO_ON, *PUT_ASIDE) else None


def _answered(step: Step, answer: Event, now: float) -> Step:
    expired = answer.type == EXPIRED
    return _replace(
        step,
        status=StepStatus.DONE,
        result=msgspec.Raw(encode(None if expired else answer.data)),
        is_error=expired,
        error="expired" if expired else "",
        ended_at=now,
        decided_by=answer.source,
    )
