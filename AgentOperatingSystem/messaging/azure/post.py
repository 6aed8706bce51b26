"""The queue as this bus needs it, over the SDK's client: put, take, hold on, drop. Large letters lie in blobs.

Fed by `bus`. All calls go through `storage.azure.calls`, so that a service that throttles or breaks off is asked again;
a put that was carried out and never answered is put twice, which the mailbox in the store bears.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.events import Message, encode
from AgentOperatingSystem.messaging.azure.letters import (
    LETTER_BYTES_MAX,
    VISIBILITY_SECONDS_MAX,
    Letter,
    Received,
    letter_of,
    message_in,
    unreadable,
    unwrapped,
    written,
)
from AgentOperatingSystem.storage.azure.blobs import AzureBlobStore
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected

TAKEN_MAX: Final = 32
"""Queue messages that one answer holds at most."""
_FOR_EVER: Final = -1
_GONE: Final = frozenset({400, 404})
"""Answers to a receipt that is out of date: somebody else has the message, or it is gone."""
T = TypeVar("T")


class Posted(NamedTuple):
    """Where a letter lies, and the right to change it."""

    id: str
    receipt: str


class Taken(NamedTuple):
    """A letter that was received."""

    posted: Posted
    message: Message
    letter: Letter
    seen: int
    """How often it was handed out, this time included, as the queue counts."""


class Post:
    """One queue. Every method raises `StoreUnavailable`."""

    def __init__(
        self, queue: QueueClient, claims: AzureBlobStore, calls: Calls, on_close: Callable[[], Awaitable[None]]
    ) -> None:
        self._queue = queue
        self._on_close = on_close
        self._claims = claims
        self._calls = calls
        self.name = queue.queue_name
        self.operations = 0
        """How many requests were made that the service bills."""
        self.under_way = 0
        """How many of them have no answer yet."""

    async def put(self, letter: Letter, hidden_seconds: float) -> Posted:
        """Durable when this returns; nobody receives it before."""
        text = await self._text(letter)
        hidden = _seconds(hidden_seconds)
        sent = await self._asked(
            lambda: self._queue.send_message(text, visibility_timeout=hidden, time_to_live=_FOR_EVER)
        )
        return Posted(sent.id, sent.pop_receipt or "")

    async def take(self, hidden_seconds: float, limit: int) -> list[Taken]:
        """Letters that nobody else sees until so many seconds have passed."""
        found = await self._asked(lambda: self._page(_seconds(hidden_seconds), min(limit, TAKEN_MAX)))
        return [await self._taken(each) for each in found]

    async def hold(self, posted: Posted, hidden_seconds: float, letter: Letter | None = None) -> Posted | None:
        """Nobody receives it for so many seconds more; None where it is not this host's any more. With a `letter` its
        content changes too.
        """
        changed: dict[str, Any] = {"content": await self._text(letter)} if letter is not None else {}
        hidden = _seconds(hidden_seconds)
        try:
            held = await self._asked(
                lambda: self._queue.update_message(posted.id, posted.receipt, visibility_timeout=hidden, **changed)
            )
        except Rejected as refusal:
            if refusal.http_status in _GONE:
                return None
            raise
        return Posted(posted.id, held.pop_receipt or "")

    async def drop(self, posted: Posted) -> None:
        """It does not come again; where it is not this host's any more, nothing."""
        try:
            await self._asked(lambda: self._queue.delete_message(posted.id, posted.receipt))
        except Rejected as refusal:
            if refusal.http_status not in _GONE:
                raise

    async def about(self) -> int:
        """How many messages there are, hidden ones included, as the service estimates it."""
        found = await self._asked(self._queue.get_queue_properties)
        return int(found.approximate_message_count or 0)

    async def prune(self, before: float) -> None:
        """Deletes blobs of letters that were written or held back before `before` (UTC seconds)."""
        old = [name async for name, moment in self._claims.names() if moment < before]
        for name in old:
            await self._claims.delete(name, before)

    async def read(self, received: Received) -> Message:
        """The message of a letter that somebody else received, as a Functions trigger does."""
        letter = letter_of(received, self.name)
        return letter.message or await self._redeemed(letter, received)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._on_close()

    async def _page(self, hidden: int, limit: int) -> list[Any]:
        pager: Any = self._queue.receive_messages(
            messages_per_page=limit, max_messages=limit, visibility_timeout=hidden
        )
        return [each async for each in pager]

    async def _taken(self, found: Any) -> Taken:
        received = Received(unwrapped(found.content), found.id, int(found.dequeue_count or 1))
        letter = letter_of(received, self.name)
        message = letter.message or await self._redeemed(letter, received)
        return Taken(Posted(found.id, found.pop_receipt), message, letter, received.deliveries)

    async def _redeemed(self, letter: Letter, received: Received) -> Message:
        try:
            content = await self._claims.get(letter.blob)
        except BlobNotFound:
            return unreadable(received, self.name, f"its body, blob {letter.blob!r}, is gone")
        return message_in(content, received, self.name)

    async def _text(self, letter: Letter) -> str:
        """The letter as the queue takes it, its message in a blob where it is too large. Putting the blob again makes
        it young, so that `prune` spares what still waits.
        """
        message = letter.message
        content = encode(message) if message is not None else b""
        if message is None or len(content) <= LETTER_BYTES_MAX - 256:
            return written(letter)
        blob = await self._claims.put(content)
        return written(Letter(blob=blob, crashes=letter.crashes, known=letter.known))

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        self.operations += 1
        self.under_way += 1
        try:
            return await self._calls.repeated(f"queue {self.name}", call)
        finally:
            self.under_way -= 1


def _seconds(hidden: float) -> int:
    """Whole seconds, rounded up: nothing is to come early."""
    return max(0, min(-int(-hidden // 1), VISIBILITY_SECONDS_MAX))
