"""What happens within a turn, told while it happens to whoever listens in this process.

Models, tools and handlers call `tell`; `api/chat.py` listens, by the event that is handled. Nothing of it is durable:
it is for people who watch. A listener on another host hears nothing, one that comes late hears what is still kept, and
what was told is no promise before the event's result is committed. Where nobody listens, telling costs a look at an
empty dict.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from secrets import token_hex
from typing import Any, Final, NamedTuple

from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse

TOLD_MAX = 5000
"""How much of a turn is kept for a listener that is slow, or comes again."""
TEXT_LENGTH_MAX = 4000
"""Characters of a tool's arguments or result that are told."""
TOKEN, TOOL_CALL, TOOL_RESULT, STEP = "token", "tool_call", "tool_result", "step"
RESTARTED, SKIPPED = "restarted", "skipped"


class Told(NamedTuple):
    """One thing that happened; numbers of one channel rise by one."""

    number: int
    kind: str
    data: dict[str, Any]


class Channel:
    """What is told of one event. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self.name = token_hex(4)
        """Tells this channel from the one that the same event has on another host, or later."""
        self.listeners = 0
        self._told: deque[Told] = deque(maxlen=TOLD_MAX)
        self._last = 0
        self._try: Any = None
        self._news = asyncio.Event()
        self._is_closed = False

    def tell(self, turn: Any, kind: str, data: dict[str, Any]) -> None:
        """Adds what happened in a try of the event; where an earlier try had told something, it is said that this is
        another one: what was heard of that one does not count.
        """
        if self._try is not None and self._try is not turn:
            self._add(RESTARTED, {"attempt": turn.attempt})
        self._try = turn
        self._add(kind, data)

    def close(self) -> None:
        """Nothing more will be told."""
        self._is_closed = True
        self._news.set()

    async def follow(self, after: int = 0) -> AsyncIterator[Told]:
        """What was told behind the number `after`, and what is, until the channel is closed."""
        while True:
            self._news.clear()
            for told in [told for told in self._told if told.number > after]:
                if told.number > after + 1:
                    yield Told(told.number - 1, SKIPPED, {"count": told.number - 1 - after})
                after = told.number
                yield told
            if after < self._last:
                continue  # more was told while the listener was busy
            if self._is_closed:
                return
            await self._news.wait()

    def _add(self, kind: str, data: dict[str, Any]) -> None:
        self._last += 1
        self._told.append(Told(self._last, kind, data))
        self._news.set()


_channels: Final[dict[tuple[AgentId, str], Channel]] = {}


@contextmanager
def channel(agent: AgentId, key: str) -> Iterator[Channel]:
    """The channel of an event (`Event.key`) of an agent; all who ask for it at the same time share one."""
    found = _channels.setdefault((agent, key), Channel())
    found.listeners += 1
    try:
        yield found
    finally:
        found.listeners -= 1
        if not found.listeners:
            _channels.pop((agent, key), None)


def is_heard() -> bool:
    """Whether anybody listens to the turn that the caller is part of."""
    return _heard() is not None


def tell(kind: str, **data: Any) -> None:
    """Tells whoever listens that something happened in the turn that the caller is part of; else does nothing.

    `data` are JSON values; long texts are cut.
    """
    heard = _heard()
    if heard is not None:
        found, turn = heard
        found.tell(turn, kind, {name: _short(value) for name, value in data.items()})


async def answered(provider: ModelProvider, request: ModelRequest, source: str, *, aloud: bool = True) -> ModelResponse:
    """The model's whole answer, whose text is told piece by piece where somebody listens. Raises `ModelError`s.

    `aloud=False` is for answers that may be withheld: that the model is asked is told, its words are not.
    """
    tell(STEP, source=source, step="model", name=provider.name)
    if not (aloud and is_heard() and provider.capabilities.streaming):
        return await provider.complete(request)
    async with aclosing(provider.stream(request)) as deltas:
        async for delta in deltas:
            if delta.text:
                tell(TOKEN, source=source, text=delta.text)
            if delta.response is not None:
                return delta.response
    raise AssertionError("a stream's last piece has the whole response")


def _heard() -> tuple[Channel, Any] | None:
    turn = current_turn() if _channels else None
    found = _channels.get((turn.agent, turn.event.key)) if turn is not None else None
    return (found, turn) if found is not None else None


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else encode(value).decode() if isinstance(value, dict) else ""
    if len(text) <= TEXT_LENGTH_MAX:
        return value
    return f"{text[:TEXT_LENGTH_MAX]}… [{len(text) - TEXT_LENGTH_MAX} more characters]"
