"""`POST` and `GET` of events: the way in for everybody who speaks HTTP, and the way back to what became of an event."""

import asyncio
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from AgentOperatingSystem.api.answers import send_json
from AgentOperatingSystem.api.bodies import (
    Headers,
    check_depth,
    check_json,
    decode,
    header,
    read_body,
)
from AgentOperatingSystem.api.callers import caller_of
from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.intake import addressed, query, take_in, wait_seconds
from AgentOperatingSystem.api.problems import Problem, problem_of
from AgentOperatingSystem.api.traced import traceparent_of
from AgentOperatingSystem.api.views import Accepted, Outcome, accepted_view, outcome_view
from AgentOperatingSystem.auth.principals import Principal
from AgentOperatingSystem.errors import AOSError, InvalidInput, UnknownEvent, UnsupportedMediaType
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId, event_key

DEFAULT_SOURCE = "/http"
_PROCESS = token_hex(12)
"""Random, once per process: an id is this and a number, because a call for random bytes per event costs more than all
else here.
"""
_numbers = count()


class EventIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as a sender writes it."""

    type: str = "aos.message"
    data: Any = None
    subject: str = ""
    source: str = DEFAULT_SOURCE
    id: str = ""
    conversation: str = ""
    correlation: str = ""
    priority: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """An event of a batch that was not accepted."""

    id: str
    source: str
    problem: Problem


class PostEvent:
    """`POST /api/v1/agents/{name}/events`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, parameters = self._door, query(scope)
        agent = door.address(scope["path_params"]["name"], parameters.get("key", ""))
        seconds = wait_seconds(parameters)
        event = await read_event(door, scope["given"], receive, agent)
        await take_in(door, event, seconds, send, caller_of(scope))


class PostAnyEvent:
    """`POST /api/v1/events`: an event whose recipient the routes choose, or CloudEvents in any of their three modes."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, headers, caller = self._door, scope["given"], caller_of(scope)
        seconds = wait_seconds(query(scope))
        media = (header(headers, b"content-type") or "").partition(";")[0].strip().lower()
        if not media.startswith("application/cloudevents") and header(headers, b"ce-specversion") is None:
            await take_in(door, await read_event(door, headers, receive, None), seconds, send, caller)
            return
        events = await read_cloud_events(door, headers, receive)
        if media.startswith("application/cloudevents-batch"):
            items = await asyncio.gather(*(_accepted(door, event, caller) for event in events))
            refused = [item.problem.status for item in items if isinstance(item, Refusal)]
            await send_json(send, {"items": items}, refused[0] if refused else 202)
        else:
            await take_in(door, events[0], seconds, send, caller)


class GetEvent:
    """`GET /api/v1/agents/{name}/events/{id}`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parameters = query(scope)
        agent = self._door.address(scope["path_params"]["name"], parameters.get("key", ""))
        source, event_id = parameters.get("source") or DEFAULT_SOURCE, scope["path_params"]["id"]
        row, is_waiting = await self._door.aos.mailroom.find(agent, source, event_id)
        if row is not None:
            await send_json(send, outcome_view(row))
        elif is_waiting:
            await send_json(send, Outcome(str(agent), event_id, source, event_key(source, event_id), "pending"))
        else:
            raise UnknownEvent(f"{agent} knows no event {event_id[:80]!r} of source {source[:80]!r}")


async def read_event(door: Door, headers: Headers, receive: Receive, agent: AgentId | None) -> Event:
    """The event of a request in our own JSON. Raises `InvalidInput` and its kinds."""
    check_json(headers)
    body = await read_body(headers, receive, door.body_bytes_max)
    said = decode(body, EventIn, depth_max=door.config.event_depth_max + 1)
    return Event(
        type=said.type,
        source=said.source,
        id=_id_of(said, header(headers, b"idempotency-key")),
        data=said.data,
        subject=said.subject,
        agent=agent,
        tenant=door.config.tenant,
        conversation=said.conversation,
        correlation=said.correlation,
        priority=said.priority,
        traceparent=traceparent_of(headers),
    )


async def read_cloud_events(door: Door, headers: Headers, receive: Receive) -> list[Event]:
    """The CloudEvents of a request. Raises `InvalidEvent`, `TooLarge`, `UnsupportedMediaType`."""
    from AgentOperatingSystem.messaging import cloudevents  # its SDK is only for those who use it

    body = await read_body(headers, receive, door.body_bytes_max)
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    media = named.get("content-type", "").partition(";")[0].strip().lower()
    if media.startswith("application/cloudevents") and media not in (cloudevents.STRUCTURED, cloudevents.BATCH):
        raise UnsupportedMediaType(f"content type {media[:80]!r} is not read here; send {cloudevents.STRUCTURED}")
    events = cloudevents.from_http(named, body, tenant=door.config.tenant)
    for event in events:
        check_depth(event.data, door.config.event_depth_max)
    return events


async def _accepted(door: Door, event: Event, caller: Principal) -> Accepted | Refusal:
    """One event of a batch. Each stands for itself: to send the whole batch again does no harm."""
    try:
        accepted, _ = await door.aos.mailroom.accept(addressed(door, event, caller))
    except AOSError as error:
        return Refusal(event.id, event.source, problem_of(error))
    return accepted_view(accepted)


def new_id() -> str:
    """An id for an event whose sender gives it none."""
    return f"{_PROCESS}{next(_numbers):08x}"


def _id_of(said: EventIn, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return said.id or new_id()
    if said.id and said.id != idempotency_key:
        raise InvalidInput(f"Idempotency-Key {idempotency_key[:80]!r} and the event's id {said.id[:80]!r} differ")
    return idempotency_key
