"""Jobs that nobody waits for any more are cancelled: by an agent of the system, so that it is retried and shown as
everybody's work is.

`outside.let_go` orders it in the very commit that ends the event which waited.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.jobs import CANCEL, JOBS
from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus
from AgentOperatingSystem.agents.waiting import JobEnd, wanted
from AgentOperatingSystem.events import Event, Message, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.records import EventRow
from AgentOperatingSystem.tools import cancels
from AgentOperatingSystem.tools.records import Job, ToolResult

_result = msgspec.json.Decoder(ToolResult)


class JobCanceller(BaseAgent):
    """Cancels the job that an event of it names, by the function that its tool gave for that."""

    name = JOBS

    async def on_event(self, event: Event, context: Context) -> Any:
        outcome = cancels.found(event.data["cancel"])(event.data["job_id"])
        return await outcome if inspect.isawaitable(outcome) else outcome


def cancellations(row: EventRow, steps: Iterable[Step]) -> list[Message]:
    """What cancels the jobs of an event that have not ended, where their tools know how."""
    every = list(steps)
    over = {wants.job_id for step in every if isinstance(wants := wanted(step), JobEnd) and _has_ended(step)}
    submitted = [(step, job) for step in every if (job := _job(step)) is not None]
    return [_cancel(row, step, job) for step, job in submitted if job.cancel and job.job_id not in over]


def _has_ended(step: Step) -> bool:
    return step.status is StepStatus.DONE and not step.is_error


def _job(step: Step) -> Job | None:
    if step.kind is not StepKind.TOOL or step.status is not StepStatus.DONE or step.result_blob:
        return None
    return _result.decode(step.result).job


def _cancel(row: EventRow, step: Step, job: Job) -> Message:
    cause = row.event
    assert cause.agent is not None
    event = Event(
        id=f"{row.key}/{step.name}",
        source=f"/agents/{cause.agent}",
        type=CANCEL,
        agent=AgentId(JOBS, tenant=cause.tenant),
        tenant=cause.tenant,
        data={"tool": step.what, "job_id": job.job_id, "cancel": job.cancel},
        causation=cause.id,
        hops=cause.hops + 1,
    )
    return event_message(event)
