"""The desk that takes answers from outside for events that wait: approvals of tool calls, answers of people, ends of
jobs.

Fed by the doors. An answer is written into the journal of the event that waits for it (`outside.py`), once: whoever
comes second, too late, with other arguments in mind, or to approve what he asked for himself, is refused.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from AgentOperatingSystem.agents.steps import STEP, WAIT, Step, StepStatus
from AgentOperatingSystem.agents.timers import TIMER
from AgentOperatingSystem.agents.waiting import (
    DECIDED,
    TOPIC,
    Approval,
    JobEnd,
    Question,
    Wanted,
    is_same_person,
    wanted,
)
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import Forbidden, IllegalTransition, InvalidInput, TooLarge, UnknownEvent
from AgentOperatingSystem.events import Event, encode, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.effects import BY_LENGTH_MAX
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.outside import change_event
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.resuming import resume
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import ENDS, EventRow, Page, Row, Status

_replace = msgspec.structs.replace


class Asked(NamedTuple):
    """One question that an event waits for, or has waited for."""

    row: EventRow
    step: Step
    wants: Wanted

    @property
    def is_open(self) -> bool:
        return self.step.status is StepStatus.WAITING and self.row.status not in ENDS


class Answer(NamedTuple):
    """What somebody says."""

    kinds: tuple[type, ...]
    """What it can answer."""
    value: Any
    by: str
    step: str = ""
    hash: str = ""
    """Of the tool call that was approved."""
    job_id: str = ""


class AnswerDesk:
    """Lists and shows what people are asked, and takes their answers and the ends of jobs."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def list(self, tenant: str, after: str = "", limit: int = 100) -> Page[Asked]:
        """What people are asked, over all agents of a tenant. A page may have fewer than `limit` though others follow:
        events also wait for each other.
        """
        page = await self._parts.store.find(tenant, Status.WAITING, after, limit)
        asked = [each for row in page.items for each in await self._asked(row) if each.is_open and _is_for_people(each)]
        return Page(tuple(asked), page.after)

    async def show(self, agent: AgentId, key: str) -> tuple[Asked, ...]:
        """What people are or were asked for one event. Raises `UnknownEvent`."""
        row = await self._parts.store.event(agent, key)
        asked = [each for each in await self._asked(row) if _is_for_people(each)] if row is not None else []
        if not asked:
            raise UnknownEvent(f"{agent} has no event {key!r} that asks a person; `aos approvals ls` names those")
        return tuple(asked)

    async def approve(self, agent: AgentId, key: str, *, hash: str, by: str, reason: str = "", step: str = "") -> Asked:
        """Has the tool called, once, with the arguments of this `hash`. Raises `Forbidden` for whoever asked for it,
        `IllegalTransition` where it is decided, too late, or about other arguments, `InvalidInput`, `UnknownEvent`.
        """
        if not hash:
            raise InvalidInput("an approval says what it approves: give the hash that is shown with the arguments")
        verdict = {"approved": True, "by": by, "reason": reason}
        return await self._answer(agent, key, "approve", Answer((Approval,), verdict, by, step, hash))

    async def deny(self, agent: AgentId, key: str, *, by: str, reason: str = "", step: str = "") -> Asked:
        """Has the tool not called; the model, or the handler, reads that, with the reason. Raises as `approve`."""
        verdict = {"approved": False, "by": by, "reason": reason}
        return await self._answer(agent, key, "deny", Answer((Approval,), verdict, by, step))

    async def answer(self, agent: AgentId, key: str, answer: Any, *, by: str, step: str = "") -> Asked:
        """Answers a question (`Context.ask_human`). Raises as `approve`; `InvalidInput` for what is none of its
        choices, `TooLarge`.
        """
        return await self._answer(agent, key, "answer", Answer((Question,), answer, by, step))

    async def complete(self, agent: AgentId, key: str, job_id: str, *, result: Any = None, error: str = "") -> Asked:
        """A job has ended. Raises `IllegalTransition` where nobody waits for it (any more), `UnknownEvent`."""
        said = {"error": error} if error else {"result": result}
        answer = Answer((JobEnd,), said, f"job {job_id}"[:BY_LENGTH_MAX], job_id=job_id)
        return await self._answer(agent, key, "complete", answer)

    # --- inside -----------------------------------------------------------------------------------------------

    async def _asked(self, row: EventRow) -> tuple[Asked, ...]:
        agent = row.event.agent
        assert agent is not None
        steps = (await Recorder(self._parts, agent).read(row.key)).values() if row.claims else ()
        found = [(step, wants) for step in steps if (wants := wanted(step)) is not None]
        return tuple(Asked(row, step, wants) for step, wants in sorted(found, key=_begun))

    async def _answer(self, agent: AgentId, key: str, verb: str, answer: Answer) -> Asked:
        if not 0 < len(answer.by) <= BY_LENGTH_MAX:
            raise InvalidInput(f"by={answer.by[:40]!r}: say who answers, in 1 to {BY_LENGTH_MAX} characters")
        if len(encode(answer.value)) > self._parts.inline_bytes_max // 2:
            raise TooLarge(f"an answer may have {self._parts.inline_bytes_max // 2} bytes")
        answered: list[Asked] = []

        async def decide(work: Work, case: Case, row: EventRow) -> None:
            now = self._parts.clock.now()
            asked = chosen(await self._asked(row), row, answer, now)
            step = _replace(
                asked.step,
                status=StepStatus.DONE,
                result=msgspec.Raw(encode(answer.value)),
                ended_at=now,
                decided_by=answer.by,
            )
            await self._take(work, asked, step)
            answered[:] = [asked._replace(step=step)]

        row = await change_event(self._parts, self._kernel, agent, key, verb, decide)
        metrics.increment("waits.answered", how=verb)
        return answered[0]._replace(row=row)

    async def _take(self, work: Work, asked: Asked, step: Step) -> None:
        """Writes the answer, and has the event go on."""
        row, name = asked.row, f"{asked.row.key}/{step.name}"
        kept = Recorder(self._parts, work.head.agent).row(row.key, step)
        work.rows[STEP, name] = kept
        work.rows[TIMER, f"{WAIT}{name}"] = Row(TIMER, f"{WAIT}{name}", None)
        if row.status is Status.WAITING:
            await resume(self._parts, work, row)
        else:
            work.keep(row)
        if _is_for_people(asked):
            work.send(publication_message(_decided(work.head.agent, asked, step)))


def chosen(asked: Sequence[Asked], row: EventRow, answer: Answer, now: float) -> Asked:
    """The question that an answer is for. Pure. Raises what the desk's methods raise."""
    fitting = [each for each in asked if isinstance(each.wants, answer.kinds) and _is_meant(each, answer)]
    waiting = [each for each in fitting if each.is_open]
    if not waiting:
        raise _nobody_asks(fitting, row)
    if len(waiting) > 1:
        names = ", ".join(each.step.name for each in waiting)
        raise InvalidInput(f"{len(waiting)} questions are open: say which one (step), {names}")
    (found,) = waiting
    if now >= found.step.deadline:
        raise IllegalTransition(f"{found.step.what}: too late, it was to be decided by {iso(found.step.deadline)}")
    _check(found.wants, answer)
    return found


def _begun(found: tuple[Step, Wanted]) -> tuple[float, int]:
    return found[0].began_at, found[0].number


def _is_meant(asked: Asked, answer: Answer) -> bool:
    if isinstance(asked.wants, JobEnd):
        return asked.wants.job_id == answer.job_id
    return answer.step in ("", asked.step.name)


def _check(wants: Wanted, answer: Answer) -> None:
    if isinstance(wants, Approval):
        if is_same_person(wants.requester, answer.by):
            raise Forbidden(f"{answer.by} asked for this call of {wants.tool}: somebody else has to decide about it")
        if answer.hash and answer.hash != wants.hash:
            raise IllegalTransition(f"{wants.tool} waits for an approval of other arguments than these: look again")
    elif isinstance(wants, Question) and wants.choices and answer.value not in wants.choices:
        raise InvalidInput(f"the answer is none of {encode(wants.choices).decode()}")


def _nobody_asks(fitting: Sequence[Asked], row: EventRow) -> Exception:
    if not fitting:
        return UnknownEvent(f"event {row.event.id!r} of {row.event.agent} asks no such thing")
    step = fitting[-1].step
    if step.error == "expired":
        return IllegalTransition(f"{step.what}: too late, it was to be decided by {iso(step.deadline)}")
    if step.decided_by:
        return IllegalTransition(f"{step.what}: decided by {step.decided_by} already, {iso(step.ended_at)}")
    return IllegalTransition(f"{step.what}: event {row.event.id!r} waits for it no more, it is {row.status}")


def _is_for_people(asked: Asked) -> bool:
    return not isinstance(asked.wants, JobEnd)


def _decided(agent: AgentId, asked: Asked, step: Step) -> Event:
    """What is published when a person has answered."""
    event, correlation = asked.row.event, f"{WAIT}{asked.row.key}/{step.name}"
    about = {"agent": str(agent), "event_key": asked.row.key, "step": step.name, "by": step.decided_by}
    return Event(
        id=f"{correlation}-decided",
        source=f"/agents/{agent}",
        type=DECIDED,
        tenant=agent.tenant,
        topic=TOPIC,
        time=step.ended_at,
        data=about | {"answer": msgspec.json.decode(step.result)} | msgspec.to_builtins(asked.wants),
        conversation=event.conversation,
        correlation=correlation,
        causation=event.id,
        hops=event.hops + 1,
    )
