"""The bus in memory: the smallest true implementation of the port, for tests and the simulator.

It carries messages to mailboxes of one process (`messaging/mailboxes.py`), holds them back until they are due, and
forgets everything with the process. What a broker in the cloud has and a process has not, a lock that can be lost, is
here too: `expire`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from heapq import heappop, heappush
from itertools import count

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import Overloaded
from AgentOperatingSystem.events import Event, Kind, Message, event_message
from AgentOperatingSystem.messaging.mailboxes import Mailboxes
from AgentOperatingSystem.messaging.ports import Turn


class MemoryBus:
    """`MessageBus` in memory. Make it within a running event loop; `turns` has one reader at a time.

    `copies` resolves a publication into one event per subscriber. A message id that was accepted within
    `duplicate_window_seconds`, or is still here, is swallowed. A turn that is neither settled nor released within
    `lock_seconds` expires.
    """

    def __init__(
        self,
        clock: Clock,
        copies: Callable[[Event], Sequence[Event]],
        *,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        duplicate_window_seconds: float = 0.0,
        lock_seconds: float = 0.0,
        mailboxes: Mailboxes | None = None,
    ) -> None:
        self._clock = clock
        self._copies = copies
        self._pending_max = pending_max
        self._window_seconds = duplicate_window_seconds
        self._lock_seconds = lock_seconds
        self._mail = mailboxes if mailboxes is not None else Mailboxes(turn_events_max)
        self._scheduled: dict[str, Message] = {}
        self._times: list[tuple[float, int, str]] = []
        """Heap of what is scheduled: due time, place in the order of sending, message id."""
        self._places = count()
        self._alarm: asyncio.TimerHandle | None = None
        self._accepted: dict[str, float] = {}
        """Message ids with the time when each was accepted, the oldest first."""

    # --- MessageBus ------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        """Accepts messages. Raises `Overloaded` where `pending_max` messages wait already; doorbells always pass."""
        rings_only = all(message.kind is Kind.DOORBELL for message in messages)
        if not rings_only and self.pending() >= self._pending_max:
            raise Overloaded(f"{self.pending()} messages wait already; the limit is {self._pending_max}", 1.0)
        for message in messages:
            if self._is_new(message):
                self._accept(message)

    async def offer(self, message: Message) -> None:
        await self.send([message])

    async def keep(self, message: Message) -> None:
        """An offered message is kept already; one that ended meanwhile must not come back."""

    def waiting(self, message_id: str) -> Message | None:
        return self._scheduled.get(message_id) or self._mail.messages.get(message_id)

    async def find(self, message_id: str) -> Message | None:
        return self.waiting(message_id)

    async def turns(self) -> AsyncIterator[Turn]:
        async for turn in self._mail.turns():
            if self._lock_seconds:
                asyncio.get_running_loop().call_later(self._lock_seconds, self.expire, turn)
            yield turn

    async def settle(self, turn: Turn) -> None:
        """Consumes the turn's messages; where its lock was lost, nothing: they are being delivered again."""
        if self._mail.holds(turn):
            self._mail.settle(turn.receipts)

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        if after_seconds > 0:
            asyncio.get_running_loop().call_later(after_seconds, self.expire, turn)
        else:
            self.expire(turn)

    def begins(self, message_id: str) -> int:
        """No host of this broker can die without it."""
        return 0

    def ended(self, message_id: str) -> None:
        """Nothing was noted."""

    async def close(self) -> None:
        self._mail.close()
        if self._alarm is not None:
            self._alarm.cancel()
        self._scheduled.clear()
        self._times.clear()

    # --- beyond the port ---------------------------------------------------------------------------------------------

    def expire(self, turn: Turn) -> None:
        """The broker's lock on a turn is lost: its messages are delivered again, though its holder may still be at
        work.
        """
        if self._mail.holds(turn):
            self._mail.release(turn)

    def holds(self, turn: Turn) -> bool:
        """Whether the turn's lock is held still."""
        return self._mail.holds(turn)

    def pending(self) -> int:
        """How many messages wait: scheduled, queued, or in a turn."""
        return len(self._mail) + len(self._scheduled)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _accept(self, message: Message) -> None:
        if message.kind is Kind.PUBLICATION and message.event is not None:
            for copy in self._copies(message.event):
                self._deliver(event_message(copy))
        else:
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        if message.due <= self._clock.now():
            self._mail.add(message)
        elif message.id not in self._scheduled:
            self._scheduled[message.id] = message
            heappush(self._times, (message.due, next(self._places), message.id))
            self._ring_when_due()

    def _ring_when_due(self) -> None:
        """One alarm, for the first: a loop's own timers of one time come in no order."""
        if self._alarm is not None:
            self._alarm.cancel()
        wait_seconds = max(0.0, self._times[0][0] - self._clock.now())
        self._alarm = asyncio.get_running_loop().call_later(wait_seconds, self._on_alarm)

    def _on_alarm(self) -> None:
        now = self._clock.now()
        while self._times and self._times[0][0] <= now:
            self._mail.add(self._scheduled.pop(heappop(self._times)[2]))
        if self._times:
            self._ring_when_due()

    def _is_new(self, message: Message) -> bool:
        """Duplicate detection by message id, as Service Bus has it: scheduled messages count from their sending."""
        if not self._window_seconds:
            return True
        now = self._clock.now()
        while self._accepted:
            oldest = next(iter(self._accepted))
            if self._accepted[oldest] + self._window_seconds > now:
                break
            del self._accepted[oldest]
        is_new = message.id not in self._accepted
        if is_new:
            self._accepted[message.id] = now
        return is_new
