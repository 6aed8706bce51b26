"""Server-sent events: an agent's outcomes, and publications by topic, as they happen and from where a client left off.

A stream reads the store page by page, only as fast as its client takes them, so a slow one costs one page of memory. It
looks again when this process tells it that there is news, and every second for what other processes did on the same
file.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Literal

import msgspec
from fastapi import APIRouter, Header, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from AgentOperatingSystem.api.door import Door, Key, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import EventView, Outcome, event_view, outcome_view
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import pattern
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.orchestration.lifecycle import known_or_raise
from AgentOperatingSystem.storage.cursors import event_cursor, place_of
from AgentOperatingSystem.storage.records import Status

router = APIRouter(prefix="/api/v1", tags=["streams"])
POLL_SECONDS = 1.0
REST_SECONDS = 0.02
"""The least time between two looks for news: under load, one look finds what many commits left."""
PAGE = 25
HEARTBEAT_SECONDS = 15
SEQUENCE_MAX = (1 << 63) - 1
_STREAM = "text/event-stream"
_encode = msgspec.json.Encoder().encode

Found = tuple[list[ServerSentEvent], str, bool]
"""What a look found: events to send, where the next look begins, and whether there is more already."""
Look = Callable[[str], Awaitable[Found]]


@router.get("/agents/{name}/outcomes", **documented(Outcome, media=_STREAM))
async def stream_outcomes(
    door: TheDoor, name: str, key: Key = "", after: str = "", last_event_id: str = Header("")
) -> Response:
    """Each event of an agent that ends or is quarantined, from now on, or from behind `after` or `Last-Event-ID`.

    `after=0` begins with the oldest.
    """
    agent = door.address(name, key)
    head = await door.head(agent)
    known_or_raise(agent, head is not None or any(kind.name == name for kind in door.aos.registry.types()))
    now = event_cursor(head.version, "~") if head is not None else ""  # behind every key of that version
    begin = last_event_id or after or now
    place_of("" if begin == "0" else begin)
    look = _OutcomesOf(door, agent)
    return _stream(door, "" if begin == "0" else begin, look, door.aos.kernel.outcomes.watchers, agent)


@router.get("/publications", **documented(EventView, media=_STREAM))
async def stream_publications(
    door: TheDoor, topic: str = "#", after: str = "", last_event_id: str = Header("")
) -> Response:
    """Each publication whose topic matches the pattern `topic`, from now on, or from behind `after` or `Last-Event-ID`.

    `after=0` begins with the oldest.
    """
    look = _Publications(door, topic)
    begin = last_event_id or after or str(await door.aos.bus.last_publication())
    if not (begin.isascii() and begin.isdecimal() and int(begin[:20]) <= SEQUENCE_MAX):
        raise InvalidInput(f"after={begin[:80]!r} is no publication's number")
    return _stream(door, begin, look, door.aos.bus.watchers, PUBLICATIONS)


class _OutcomesOf:
    """Looks for events of one agent that ended."""

    def __init__(self, door: Door, agent: AgentId) -> None:
        self._store = door.aos.parts.store
        self._agent = agent

    async def __call__(self, after: str) -> Found:
        page = await self._store.events(self._agent, after=after, limit=PAGE)
        found = [
            ServerSentEvent(
                _encode(outcome_view(row)).decode(), event=row.status.value, id=event_cursor(row.version, row.key)
            )
            for row in page.items
            if row.status is not Status.PARKED
        ]
        last = event_cursor(page.items[-1].version, page.items[-1].key) if page.items else after
        return found, last, bool(page.after)


class _Publications:
    """Looks for publications whose topic matches a pattern. Raises `InvalidTopic`."""

    def __init__(self, door: Door, topic: str) -> None:
        self._bus = door.aos.bus
        self._tenant = door.config.tenant
        self._matches = pattern(topic).fullmatch

    async def __call__(self, after: str) -> Found:
        page = await self._bus.publications(self._tenant, int(after), PAGE)
        found = [
            ServerSentEvent(_encode(event_view(event)).decode(), event=event.topic, id=str(number))
            for number, event in page
            if self._matches(event.topic)
        ]
        return found, str(page[-1][0]) if page else after, len(page) == PAGE


def _stream(door: Door, begin: str, look: Look, watchers: Watchers, what: Hashable) -> Response:
    return EventSourceResponse(_follow(door, begin, look, watchers, what), ping=HEARTBEAT_SECONDS)


async def _follow(
    door: Door, after: str, look: Look, watchers: Watchers, what: Hashable
) -> AsyncIterator[ServerSentEvent]:
    """Where it begins, then what a look finds, again and again; ends when the host drains."""
    yield ServerSentEvent(id=after or "0")  # a client that is cut off before the first event knows where to go on
    draining = asyncio.ensure_future(door.draining.wait())
    try:
        with watchers.watch(what) as news:
            while not draining.done():
                news.clear()
                found, after, more = await look(after)
                for event in found:
                    yield event
                if not more:
                    await _news_or(draining, news)
                    await asyncio.sleep(REST_SECONDS)
    finally:
        draining.cancel()


async def _news_or(draining: "asyncio.Task[Literal[True]]", news: asyncio.Event) -> None:
    """Waits for news or for the drain, and not longer than until the next look is due anyway."""
    waiting = asyncio.ensure_future(news.wait())
    try:
        await asyncio.wait((draining, waiting), timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
