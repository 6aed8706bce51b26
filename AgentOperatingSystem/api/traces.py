"""A trace over HTTP: an event, its steps, what it sent, and what became of that, as one tree."""

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from AgentOperatingSystem.agents.steps import Step
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.door import Key, TheDoor
from AgentOperatingSystem.api.events import DEFAULT_SOURCE
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import when
from AgentOperatingSystem.observability.redaction import plain
from AgentOperatingSystem.orchestration.traces import Send, Spending, Traced, Tracer

router = APIRouter(prefix="/api/v1/agents", tags=["time travel"])


class TracedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an event's handling."""

    name: str
    kind: str
    what: str
    status: str
    effect: str
    about: Any
    number: int
    began_at: str | None
    seconds: float | None
    """None where it has not ended."""
    attempt: int
    tries: int
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost: str | None
    currency: str
    cost_note: str
    cache_hit: bool
    is_error: bool
    error: str
    diverged: bool
    late: bool
    decided_by: str


class TracedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event with its steps and what it sent."""

    agent: str
    id: str
    source: str
    event_key: str
    type: str
    status: str
    reason: str
    attempts: int
    claims: int
    version: int
    accepted_at: str | None
    began_at: str | None
    finished_at: str | None
    seconds: float | None
    """From its acceptance to its end."""
    steps: tuple[TracedStep, ...]
    sends: tuple["TracedSend", ...]
    left_out: str


class TracedSend(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was sent, and the events that it became."""

    id: str
    agent: str
    topic: str
    note: str
    events: tuple[TracedEvent, ...]


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """A trace."""

    event: TracedEvent
    spending: Spending
    is_whole: bool


@router.get("/{name}/traces/{event:path}", **documented(TraceView))
async def show_trace(door: TheDoor, name: str, event: str, key: Key = "", source: str = DEFAULT_SOURCE) -> Response:
    """What an event's handling did and caused, as one tree; `is_whole` says whether all of it is there."""
    tracer = Tracer(door.aos.parts, door.aos.subscriptions.copies)
    trace = await tracer.trace(door.address(name, key), source, event)
    return answer(TraceView(event=_traced(trace.root), spending=trace.spending, is_whole=trace.is_whole))


def _traced(node: Traced) -> TracedEvent:
    row = node.row
    return TracedEvent(
        agent=str(row.event.agent),
        id=row.event.id,
        source=row.event.source,
        event_key=row.key,
        type=row.event.type,
        status=row.status.value,
        reason=row.reason,
        attempts=row.attempts,
        claims=row.claims,
        version=row.version,
        accepted_at=when(row.accepted_at),
        began_at=when(row.began_at),
        finished_at=when(row.finished_at),
        seconds=_between(row.accepted_at, row.finished_at),
        steps=tuple(map(_step, node.steps)),
        sends=tuple(map(_send, node.sends)),
        left_out=node.left_out,
    )


def _send(send: Send) -> TracedSend:
    return TracedSend(
        id=send.id, agent=send.agent, topic=send.topic, note=send.note, events=tuple(map(_traced, send.found))
    )


def _step(step: Step) -> TracedStep:
    spent = step.spent
    return TracedStep(
        name=step.name,
        kind=step.kind.value,
        what=step.what,
        status=step.status.value,
        effect=step.effect.value,
        about=plain(step.about),
        number=step.number,
        began_at=when(step.began_at),
        seconds=_between(step.began_at, step.ended_at),
        attempt=step.attempt,
        tries=step.tries,
        model=spent.model if spent else "",
        input_tokens=spent.input_tokens if spent else None,
        output_tokens=spent.output_tokens if spent else None,
        cost=spent.cost if spent else None,
        currency=spent.currency if spent else "",
        cost_note=spent.cost_note if spent else "",
        cache_hit=bool(spent and spent.cache_hit),
        is_error=step.is_error,
        error=step.error,
        diverged=step.diverged,
        late=step.late,
        decided_by=step.decided_by,
    )


def _between(began: float, ended: float) -> float | None:
    """Seconds, to the microsecond; None where it has not ended."""
    return round(max(0.0, ended - began), 6) if ended else None
