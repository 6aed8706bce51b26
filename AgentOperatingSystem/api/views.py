"""Records as the JSON documents of docs/http.md: addresses as text, times as RFC 3339."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from AgentOperatingSystem.agents.timers import Timer
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.lifecycle import state_of
from AgentOperatingSystem.orchestration.registry import AgentType
from AgentOperatingSystem.storage.records import EventRow, Head

PREFIX = "/api/v1"
_SECONDS_MAX = 253_402_300_799.0
"""The last second of the year 9999, where RFC 3339 ends."""


class EventView(msgspec.Struct, frozen=True):
    """An event."""

    type: str
    id: str
    source: str
    subject: str
    time: str | None
    data: Any
    agent: str | None
    topic: str
    conversation: str
    correlation: str
    causation: str
    priority: int
    hops: int
    generation: int
    extensions: dict[str, Any]


class Accepted(msgspec.Struct, frozen=True):
    """The event is durable; `outcome` says where to ask for its end."""

    agent: str
    id: str
    source: str
    outcome: str
    status: str = "accepted"


class Outcome(msgspec.Struct, frozen=True):
    """What became of an event."""

    agent: str
    id: str
    source: str
    event_key: str
    status: str
    result: Any = None
    reason: str = ""
    attempts: int = 0
    version: int = 0
    accepted_at: str | None = None
    finished_at: str | None = None
    due: str | None = None
    event: EventView | None = None


class TypeView(msgspec.Struct, frozen=True):
    """A registered type of agent."""

    name: str
    version: str
    doc: str
    capabilities: tuple[str, ...]
    subscriptions: tuple[str, ...]
    ordering: str
    restart: str
    attempts_max: int
    turn_timeout_seconds: float
    actions: tuple[str, ...]


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule of an agent."""

    agent: str
    name: str
    due: str | None
    cron: str
    timezone: str
    missed: str
    type: str
    data: Any


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent: where it stands, and when it was last seen."""

    agent: str
    name: str
    key: str
    state: str
    reason: str
    held: str
    """Why its type or tenant is held; empty where neither is."""
    registered: bool
    version: int
    handled: int
    backlog: int
    created_at: str | None
    last_seen: str | None
    next_tick: str | None
    backoff_until: str | None


class AgentDetail(AgentView, frozen=True, kw_only=True):
    """An agent with its type and its schedules."""

    type: TypeView | None
    schedules: tuple[ScheduleView, ...]


@lru_cache(maxsize=1024)
def when(seconds: float) -> str | None:
    """UTC seconds as RFC 3339; None for 0, which means that there is none."""
    return iso(min(max(seconds, 0.0), _SECONDS_MAX)) if seconds else None


def agent_path(agent: AgentId) -> str:
    """The path of an agent's routes, without the query."""
    return f"{PREFIX}/agents/{quote(agent.name, safe='')}"


def agent_location(agent: AgentId) -> str:
    """Where an agent itself is to be asked for."""
    return agent_path(agent) + (f"?key={quote(agent.key, safe='')}" if agent.key else "")


def outcome_path(agent: AgentId, source: str, event_id: str) -> str:
    """Where an event's outcome is to be asked for."""
    key = f"key={quote(agent.key, safe='')}&" if agent.key else ""
    return f"{agent_path(agent)}/events/{quote(event_id, safe='')}?{key}source={quote(source, safe='')}"


def accepted_view(event: Event) -> Accepted:
    """An event that was accepted, as addressed."""
    assert event.agent is not None
    return Accepted(str(event.agent), event.id, event.source, outcome_path(event.agent, event.source, event.id))


def outcome_view(row: EventRow) -> Outcome:
    """An event's row."""
    event = row.event
    return Outcome(
        agent=str(event.agent),
        id=event.id,
        source=event.source,
        event_key=row.key,
        status=row.status.value,
        result=row.result,
        reason=row.reason,
        attempts=row.attempts,
        version=row.version,
        accepted_at=when(row.accepted_at),
        finished_at=when(row.finished_at),
        due=when(row.due),
        event=event_view(event),
    )


def event_view(event: Event) -> EventView:
    """An event, without what only its carriers need."""
    return EventView(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=when(event.time),
        data=event.data,
        agent=str(event.agent) if event.agent is not None else None,
        topic=event.topic,
        conversation=event.conversation,
        correlation=event.correlation,
        causation=event.causation,
        priority=event.priority,
        hops=event.hops,
        generation=event.generation,
        extensions=dict(event.extensions or {}),
    )


def type_view(kind: AgentType, turn_timeout_seconds: float, attempts_max: int) -> TypeView:
    """A registered type, with the system's limits where it declares none."""
    return TypeView(
        name=kind.name,
        version=kind.version,
        doc=kind.doc,
        capabilities=kind.capabilities,
        subscriptions=tuple(found.pattern for found in kind.subscriptions),
        ordering="strict" if kind.strict else "fifo",
        restart=kind.restart.mode,
        attempts_max=kind.restart.attempts_max or attempts_max,
        turn_timeout_seconds=kind.turn_timeout_seconds or turn_timeout_seconds,
        actions=tuple(kind.actions),
    )


def schedule_view(agent: AgentId, timer: Timer) -> ScheduleView:
    """A schedule."""
    return ScheduleView(
        agent=str(agent),
        name=timer.name,
        due=when(timer.due),
        cron=timer.cron,
        timezone=timer.timezone,
        missed=timer.missed,
        type=timer.type,
        data=timer.data,
    )


def agent_view(head: Head, *, running: bool, registered: bool, held: str) -> AgentView:
    """An agent's head. One without a version was never woken."""
    agent = head.agent
    return AgentView(
        agent=str(agent),
        name=agent.name,
        key=agent.key,
        state=state_of(head if head.version else None, running=running),
        reason=head.reason,
        held=held,
        registered=registered,
        version=head.version,
        handled=head.handled,
        backlog=head.backlog,
        created_at=when(head.created_at),
        last_seen=when(head.updated_at),
        next_tick=when(head.next_tick),
        backoff_until=when(head.backoff_until),
    )
