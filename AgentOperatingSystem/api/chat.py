"""`POST /agents/{name}/chat`: one message to an agent, and what it says while it says it.

The message is an event like any other: durable before the stream begins, handled once for its `Idempotency-Key`, and
not cancelled when the client goes away. Tokens, tool calls and steps are only heard (`agents/progress.py`); what counts
comes last and is committed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from AgentOperatingSystem.agents.conversation import MAIN, check_id
from AgentOperatingSystem.agents.progress import Channel, channel
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.callers import caller_of, signed
from AgentOperatingSystem.api.door import Door, Key, TheDoor
from AgentOperatingSystem.api.events import new_id
from AgentOperatingSystem.api.intake import WAIT_SECONDS_MAX
from AgentOperatingSystem.api.openapi import documented, schema_of
from AgentOperatingSystem.api.problems import problem_of
from AgentOperatingSystem.api.stream import HEARTBEAT_SECONDS
from AgentOperatingSystem.api.views import Accepted, Outcome, accepted_view, outcome_view
from AgentOperatingSystem.errors import Draining, EventFailed, InvalidInput
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import EventRow, Status

router = APIRouter(prefix="/api/v1/agents", tags=["conversations"])
SOURCE: Final = "/chat"
TYPE: Final = "aos.chat"
WAIT_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 2.0
_STREAM: Final = "text/event-stream"
_OPEN: Final = (Status.PARKED, Status.WAITING)
"""What has not ended, and needs nobody to go on."""
_encode = msgspec.json.Encoder().encode
_waiting: Final[set["asyncio.Task[EventRow | None]"]] = set()
"""Who waits for an outcome whose client may be gone; held here, so that it is not collected."""


class ChatIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to an agent."""

    message: str
    conversation: str = MAIN


_DESCRIBED: Final = documented(Outcome, body=ChatIn)
_DESCRIBED["responses"][200]["content"][_STREAM] = {"schema": {"type": "string"}}
_DESCRIBED["responses"][202] = {
    "description": "It has not ended yet; Location says where to ask for its outcome.",
    "content": {"application/json": {"schema": schema_of(Accepted)}},
}


@router.post("/{name}/chat", **_DESCRIBED)
async def chat(
    request: Request,
    door: TheDoor,
    name: str,
    key: Key = "",
    wait: Annotated[
        float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds, where no stream is asked for.")
    ] = WAIT_SECONDS,
    accept: str = Header("", include_in_schema=False),
    idempotency_key: str = Header("", description="The event's id."),
    last_event_id: str = Header(""),
) -> Response:
    """Says something to an agent, in one of its conversations.

    With `Accept: text/event-stream`, what happens is told while it happens: `accepted`, `token`, `tool_call`,
    `tool_result`, `step`, `restarted`, and at the end `result` or `error`. Else the outcome, as with `?wait`.
    """
    event = await _event(request, door, name, key, idempotency_key)
    if _STREAM in accept:
        return await _streamed(door, event, last_event_id)
    row = await door.aos.mailroom.process(event, wait) if wait else (await door.aos.mailroom.accept(event))[1]
    if row is not None and row.status not in _OPEN:
        return answer(outcome_view(row))
    accepted = accepted_view(door.aos.mailroom.admit(event))
    return answer(accepted, 202, {"Location": accepted.outcome})


async def _event(request: Request, door: Door, name: str, key: str, idempotency_key: str) -> Event:
    """The message as an event. Raises `InvalidInput`, `Forbidden`."""
    agent = door.address(name, key)
    door.check_writable(agent)
    said = await read_json(request, ChatIn, door)
    if not said.message.strip():
        raise InvalidInput("the message is empty")
    event = Event(
        type=TYPE,
        source=SOURCE,
        id=idempotency_key or new_id(),
        data=said.message,
        subject=check_id(said.conversation),  # a part of what is compared when the key comes again
        conversation=said.conversation,
        agent=agent,
        tenant=agent.tenant,
        traceparent=request.headers.get("traceparent", ""),
    )
    return signed(event, caller_of(request.scope))


async def _streamed(door: Door, event: Event, last_event_id: str) -> Response:
    """Accepts the event, then streams. Whatever is refused is refused before the stream begins."""
    assert event.agent is not None
    with ExitStack() as listening:
        heard = listening.enter_context(channel(event.agent, event.key))
        event, _ = await door.aos.mailroom.accept(event)
        ended = asyncio.create_task(door.aos.mailroom.process(event))
        ended.add_done_callback(partial(_end, heard, listening.pop_all()))
    _waiting.add(ended)
    told = _told(event, heard, ended, _place_in(heard, last_event_id))
    return EventSourceResponse(told, ping=HEARTBEAT_SECONDS, headers={"Cache-Control": "no-store"})


def _end(heard: Channel, listening: ExitStack, task: "asyncio.Task[EventRow | None]") -> None:
    """The event has ended, whether its client is still there or not."""
    _waiting.discard(task)
    heard.close()
    listening.close()
    if not task.cancelled():
        task.exception()  # told to the client, where there is one


async def _told(
    event: Event, heard: Channel, ended: "asyncio.Task[EventRow | None]", after: int
) -> AsyncIterator[ServerSentEvent]:
    yield _sent("accepted", accepted_view(event), f"{heard.name}.{after}")
    async for told in heard.follow(after):
        yield _sent(told.kind, told.data, f"{heard.name}.{told.number}")
    try:
        row = await asyncio.shield(ended)
        yield _last(row)
    except Exception as error:
        yield _sent("error", problem_of(error))


def _last(row: EventRow | None) -> ServerSentEvent:
    """What became of the event; None where this host drains and another one will handle it."""
    if row is None:
        waits = "the host is shutting down; the event is kept: ask again with the same Idempotency-Key"
        return _sent("error", problem_of(Draining(waits, RETRY_SECONDS)))
    if row.status is Status.DONE:
        return _sent("result", outcome_view(row))
    return _sent("error", problem_of(EventFailed(f"event {row.event.id!r} is {row.status}: {row.reason}")))


def _sent(kind: str, data: Any, id: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(_encode(data).decode(), event=kind, id=id)


def _place_in(heard: Channel, last_event_id: str) -> int:
    """How much of this channel the client has heard; nothing, where it listened to another one."""
    name, _, number = last_event_id.partition(".")
    return int(number) if name == heard.name and number.isascii() and number.isdigit() and len(number) < 10 else 0
