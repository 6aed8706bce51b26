"""What this host has sent.

The broker cannot be asked for one message by its id; this memory answers in its place, for as long as the broker's own
duplicate detection would swallow a second sending.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from AgentOperatingSystem.events import Kind, Message

SENT_MAX: Final = 10_000


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
