"""What this host has sent and who waits here for an outcome that another host may bring about.

The broker cannot be asked for one message by its id; this memory answers in its place, for as long as the broker's own
duplicate detection would swallow a second sending.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from AgentOperatingSystem.events import Kind, Message
from AgentOperatingSystem.messaging.ports import Turn

SENT_MAX: Final = 10_000
LOOK_SECONDS: Final = 1.0
LOOK_SECONDS_MAX: Final = 30.0
Applied = Callable[[Message], Awaitable[bool]]
"""Whether an event came to its end, on whatever host."""


class Sent:
    """Messages that were sent here and that no turn of this host has consumed."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._messages: OrderedDict[str, tuple[Message, float]] = OrderedDict()

    def add(self, messages: Sequence[Message], now: float) -> None:
        """They are on their way."""
        for message in messages:
            if message.kind is Kind.EVENT:
                self._messages[message.id] = message, max(now, message.due) + self._window_seconds
        while len(self._messages) > SENT_MAX:
            self._messages.popitem(last=False)

    def find(self, message_id: str, now: float) -> Message | None:
        """One of them, as far as is remembered."""
        message, until = self._messages.get(message_id, (None, 0.0))
        return message if until > now else None

    def remove(self, message_ids: Sequence[str]) -> None:
        """They are consumed, or were not sent after all."""
        for name in message_ids:
            self._messages.pop(name, None)


class Callers:
    """Messages that were offered here and have not ended here."""

    def __init__(self, applied: Applied | None) -> None:
        self._applied = applied
        self._offered: dict[str, tuple[Message, float, float]] = {}
        """With the time of the next look, and how long the wait before that one was."""

    def __len__(self) -> int:
        """For how many messages somebody waits."""
        return len(self._offered)

    def waits_for(self, message: Message, now: float) -> None:
        """Somebody begins to wait."""
        self._offered[message.id] = message, now + LOOK_SECONDS, LOOK_SECONDS

    def leave(self, message_ids: Sequence[str]) -> None:
        """Nobody waits any more, or the wait is over."""
        for name in message_ids:
            self._offered.pop(name, None)

    async def ended_elsewhere(self, now: float) -> list[Turn]:
        """Turns for messages that another host has consumed: the kernel finds each applied, and tells whoever waits.

        Each is looked for less and less often. Raises `StoreUnavailable`.
        """
        if self._applied is None:
            return []
        turns = []
        for name, (message, look_at, waited) in list(self._offered.items()):
            if look_at > now or message.agent is None:
                continue
            if await self._applied(message):
                self._offered.pop(name, None)
                turns.append(Turn(message.agent, (message,), (name,), deliveries=2))
            elif name in self._offered:
                wait = min(2 * waited, LOOK_SECONDS_MAX)
                self._offered[name] = message, now + wait, wait
        return turns
