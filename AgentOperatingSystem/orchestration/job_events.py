"""Ends of GPU jobs as Azure tells them: `Microsoft.MachineLearningServices.RunStatusChanged` and `.RunCompleted`.

Event Grid's events come in by a door, and a route of the composition hands them to the agent `aos.gpu.jobs`. A job's
tags say which event waits for it (`agents/gpu_jobs.py`); what it came to is asked of the workspace and written into
that event's journal, as `POST /api/v1/jobs/…` does it. An event that is lost, or comes before anybody waits, costs time
alone: the poll finds the end too. Source: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning,
whose example has `RunId` where the SDK's records have `runId`; both are read.
"""

from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.gpu_jobs import AGENT, EVENT, TENANT, look
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import IllegalTransition, InvalidAgentId, InvalidInput, Terminal, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.answering import AnswerDesk
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Route

JOB_EVENTS = "aos.gpu.jobs"
TYPES = "Microsoft.MachineLearningServices.*"
ENDED = frozenset({"completed", "finished", "failed", "canceled", "notresponding"})
ROUTES = [Route(agent=JOB_EVENTS, type=TYPES, key=f"{{data.{tags}.{EVENT}}}") for tags in ("runTags", "RunTags")]
"""Jobs of others, which have no such tag, are left to the routes behind these."""


class _Changed(msgspec.Struct, frozen=True, rename="camel"):
    """What Event Grid says of a job."""

    run_id: str
    run_status: str = ""
    """Empty in `RunCompleted`."""
    run_tags: dict[str, Any] | None = None


class Desks(Protocol):
    """A system as it is composed."""

    config: AOSConfig
    registry: Registry
    routes: list[Route]
    answers: AnswerDesk


def hear_of_jobs(system: Desks) -> None:
    """Has a system hear of the ends of GPU jobs, where a workspace is configured."""
    if system.config.azureml_workspace:
        system.registry.register_system(job_events_agent(system))
        system.routes[:0] = ROUTES


def job_events_agent(desks: Desks) -> type[BaseAgent]:
    """The agent of one system that hears of ended jobs."""

    class JobEvents(BaseAgent):
        """Tells the event that waits for a job what it came to."""

        name = JOB_EVENTS

        async def on_event(self, event: Event, context: Context) -> Any:
            changed = _read(event)
            waiting = _waiting(changed)
            goes_on = changed.run_status and changed.run_status.lower() not in ENDED
            if goes_on or waiting is None:
                return {"job": changed.run_id, "status": changed.run_status, "told": False}

            async def tell() -> bool:
                return await _told(desks.answers, changed.run_id, *waiting)

            told = await context.step("tell", tell)
            return {"job": changed.run_id, "status": changed.run_status, "told": told}

    return JobEvents


async def _told(desk: AnswerDesk, job_id: str, agent: AgentId, key: str) -> bool:
    """Whether the event waited for it. Raises what `look` raises where the workspace cannot be had."""
    result, error = None, ""
    try:
        result = await look(job_id)
    except Terminal as failure:
        error = str(failure)
    if result is None and not error:
        return False  # it goes on after all
    try:
        await desk.complete(agent, key, job_id, result=result, error=error)
    except (UnknownEvent, IllegalTransition):
        return False
    return True


def _read(event: Event) -> _Changed:
    data = event.data if isinstance(event.data, dict) else {}
    try:
        return msgspec.convert({name[:1].lower() + name[1:]: value for name, value in data.items()}, _Changed)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{event.type}: {error}") from None


def _waiting(changed: _Changed) -> tuple[AgentId, str] | None:
    """The agent and the key of the event that waits for this job; None for a job of somebody else's."""
    tags = changed.run_tags or {}
    try:
        return AgentId.parse(str(tags[AGENT]), str(tags[TENANT])), str(tags[EVENT])
    except (KeyError, InvalidAgentId):
        return None
