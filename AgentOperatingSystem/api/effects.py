"""The effect ledger over HTTP: calls of unknown outcome, and retries that lost their way; a person says what is so."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.agents.steps import Step
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.callers import caller_of
from AgentOperatingSystem.api.door import After, Door, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import Outcome, outcome_view, when
from AgentOperatingSystem.observability.redaction import plain
from AgentOperatingSystem.orchestration.effects import Effects
from AgentOperatingSystem.storage.records import EventRow

router = APIRouter(prefix="/api/v1/effects", tags=["effects"])


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a call, who says so, and why."""

    step: str = ""
    result: Any = None
    reason: str = ""
    by: str = ""
    """Counts where the caller has no name of its own."""


class StepView(msgspec.Struct, frozen=True):
    """One step of an event."""

    step: str
    kind: str
    what: str
    status: str
    effect: str
    about: Any
    result: msgspec.Raw
    error: str
    is_error: bool
    tries: int
    late: bool
    decided_by: str
    idempotency_key: str
    began_at: str | None
    ended_at: str | None
    deadline: str | None


class EffectsView(msgspec.Struct, frozen=True):
    """An event with its steps: those in doubt are `intent`."""

    outcome: Outcome
    in_doubt: tuple[str, ...]
    decidable_at: str | None
    steps: tuple[StepView, ...]


def step_view(step: Step) -> StepView:
    """A step; a result too large to lie in its row is left out."""
    return StepView(
        step=step.name,
        kind=step.kind.value,
        what=step.what,
        status=step.status.value,
        effect=step.effect.value,
        about=plain(step.about),
        result=step.result,
        error=step.error,
        is_error=step.is_error,
        tries=step.tries,
        late=step.late,
        decided_by=step.decided_by,
        idempotency_key=step.idempotency_key,
        began_at=when(step.began_at),
        ended_at=when(step.ended_at),
        deadline=when(step.deadline),
    )


def effects_view(effects: Effects) -> EffectsView:
    """What the desk shows of an event."""
    return EffectsView(
        outcome=outcome_view(effects.row),
        in_doubt=tuple(step.name for step in effects.in_doubt),
        decidable_at=when(effects.decidable_at),
        steps=tuple(step_view(step) for step in effects.steps),
    )


@router.get("", **documented(page_of=Outcome))
async def list_effects(door: TheDoor, limit: Limit = 100, after: After = "") -> Response:
    """Events that wait for a verdict, over all agents: in doubt, then diverged."""
    page = await door.aos.effects.list(door.config.tenant, after, limit)
    return answer({"items": [outcome_view(row) for row in page.items], "after": page.after})


@router.get("/{name}/{event_key}", **documented(EffectsView))
async def show_effects(door: TheDoor, name: str, event_key: str, key: Key = "") -> Response:
    """One event with its steps: what was about to be done, with which arguments, by when."""
    return answer(effects_view(await door.aos.effects.show(door.address(name, key), event_key)))


@router.post("/{name}/{event_key}/confirm", **documented(Outcome, body=Verdict))
async def confirm(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """The call happened, and `result` is what it answered."""
    said = await _said(door, request)
    agent, desk = door.address(name, key), door.aos.effects
    return _moved(await desk.confirm(agent, event_key, said.result, step=said.step, by=said.by))


@router.post("/{name}/{event_key}/retry", **documented(Outcome, body=Verdict))
async def retry(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """The call did not happen: it is made again. A diverged event goes on after a fix of its code."""
    said = await _said(door, request)
    return _moved(await door.aos.effects.retry(door.address(name, key), event_key, step=said.step, by=said.by))


@router.post("/{name}/{event_key}/fail", **documented(Outcome, body=Verdict))
async def fail(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """The call failed: the model, or the handler, reads an error."""
    said = await _said(door, request)
    agent, desk = door.address(name, key), door.aos.effects
    return _moved(await desk.fail(agent, event_key, said.reason, step=said.step, by=said.by))


@router.post("/{name}/{event_key}/drop", **documented(Outcome, body=Verdict))
async def drop(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Ends the event as cancelled; its steps stay in the history."""
    said = await _said(door, request)
    return _moved(await door.aos.effects.drop(door.address(name, key), event_key, said.reason, by=said.by))


async def _said(door: Door, request: Request) -> Verdict:
    said = await read_json(request, Verdict, door, empty=Verdict())
    return msgspec.structs.replace(said, by=caller_of(request.scope).who(said.by))


def _moved(row: EventRow) -> Response:
    return answer(outcome_view(row))
