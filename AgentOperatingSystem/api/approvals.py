"""Approvals and questions over HTTP: what people are asked, what they answer; and where jobs tell that they ended."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.callers import caller_of
from AgentOperatingSystem.api.door import After, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import Outcome, outcome_view, when
from AgentOperatingSystem.orchestration.answering import Asked

router = APIRouter(prefix="/api/v1", tags=["approvals"])


class Approve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is approved: `hash` as shown beside the arguments. `by` counts where the caller has no name of its own."""

    hash: str
    by: str = ""
    reason: str = ""
    step: str = ""


class Deny(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is denied; `by` as for an approval."""

    by: str = ""
    reason: str = ""
    step: str = ""


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is answered; `by` as for an approval."""

    answer: Any
    by: str = ""
    step: str = ""


class JobDone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job came to: a result, or an error."""

    job_id: str
    result: Any = None
    error: str = ""


class AskedView(msgspec.Struct, frozen=True):
    """What a person is asked: `wants` has a tool with its arguments, or a question with its choices."""

    agent: str
    event_key: str
    step: str
    open: bool
    wants: dict[str, Any]
    asked_at: str | None
    expires: str | None
    decided_by: str
    decided_at: str | None
    answer: msgspec.Raw
    outcome: Outcome


def asked_view(asked: Asked) -> AskedView:
    """A question, open or decided."""
    step = asked.step
    return AskedView(
        agent=str(asked.row.event.agent),
        event_key=asked.row.key,
        step=step.name,
        open=asked.is_open,
        wants=msgspec.to_builtins(asked.wants),
        asked_at=when(step.began_at),
        expires=when(step.deadline),
        decided_by=step.decided_by,
        decided_at=when(step.ended_at),
        answer=step.result,
        outcome=outcome_view(asked.row),
    )


@router.get("/approvals", **documented(page_of=AskedView))
async def list_approvals(door: TheDoor, limit: Limit = 100, after: After = "") -> Response:
    """What people are asked, over all agents. `limit` counts events that wait, for whatever."""
    page = await door.aos.answers.list(door.config.tenant, after, limit)
    return answer({"items": [asked_view(asked) for asked in page.items], "after": page.after})


@router.get("/approvals/{name}/{event_key}", **documented(page_of=AskedView))
async def show_approvals(door: TheDoor, name: str, event_key: str, key: Key = "") -> Response:
    """What people are or were asked for one event."""
    found = await door.aos.answers.show(door.address(name, key), event_key)
    return answer({"items": [asked_view(asked) for asked in found], "after": ""})


@router.post("/approvals/{name}/{event_key}/approve", **documented(AskedView, body=Approve))
async def approve(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Has the tool called with exactly these arguments, once."""
    said = await read_json(request, Approve, door)
    agent, desk, by = door.address(name, key), door.aos.answers, caller_of(request.scope).who(said.by)
    made = await desk.approve(agent, event_key, hash=said.hash, by=by, reason=said.reason, step=said.step)
    return answer(asked_view(made))


@router.post("/approvals/{name}/{event_key}/deny", **documented(AskedView, body=Deny))
async def deny(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Has the tool not called; the model, or the handler, reads why."""
    said = await read_json(request, Deny, door)
    agent, desk, by = door.address(name, key), door.aos.answers, caller_of(request.scope).who(said.by)
    return answer(asked_view(await desk.deny(agent, event_key, by=by, reason=said.reason, step=said.step)))


@router.post("/approvals/{name}/{event_key}/answer", **documented(AskedView, body=Say))
async def answer_question(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Answers a question of an agent."""
    said = await read_json(request, Say, door)
    agent, desk, by = door.address(name, key), door.aos.answers, caller_of(request.scope).who(said.by)
    return answer(asked_view(await desk.answer(agent, event_key, said.answer, by=by, step=said.step)))


@router.post("/jobs/{name}/{event_key}", **documented(AskedView, body=JobDone))
async def complete_job(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """A job that an event waits for has ended."""
    said = await read_json(request, JobDone, door)
    agent, desk = door.address(name, key), door.aos.answers
    return answer(asked_view(await desk.complete(agent, event_key, said.job_id, result=said.result, error=said.error)))
