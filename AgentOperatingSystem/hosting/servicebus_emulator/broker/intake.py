"""How messages come into a queue or topic: checked as a whole, known ones dropped, early ones kept until their time.

Fed by `front`; hands whatever is due to the entity's `arrive`.
"""

import heapq
from collections.abc import Callable, Iterable

from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Message, State, World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    InvalidRequest,
    MessageNotFound,
    MessageTooLarge,
)
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Entrance, Limits

Arrive = Callable[[Envelope, int], None]
"""(message, how many entities have forwarded it already)."""


class Sequence:
    """The numbers of one entity."""

    def __init__(self, path: str, world: World) -> None:
        self._path, self._world = path, world
        self.next = 1

    def take(self) -> int:
        """A number that was never given before."""
        taken, self.next = self.next, self.next + 1
        self._world.journal.counter(self._path, self.next)
        return taken


class Intake:
    """The way into one entity."""

    def __init__(self, path: str, settings: Entrance, world: World, sequence: Sequence, arrive: Arrive) -> None:
        self.path = path
        self.settings = settings
        self._world = world
        self._sequence = sequence
        self._arrive = arrive
        self._seen: dict[str, int] = {}  # message id → until when; in the order of their coming
        self.scheduled: dict[int, Message] = {}
        self._due: list[tuple[int, int]] = []

    def send(self, envelopes: list[Envelope], check: Callable[[Envelope], None], hops: int = 0) -> None:
        """Takes all or, raising `ServiceBusRefusal`, none."""
        for envelope in envelopes:
            _check_size(envelope, self._world.limits)
            check(envelope)
        now = self._world.now_ms()
        for envelope in envelopes:
            if self._is_known(envelope, now):
                continue
            due = envelope.scheduled_ms
            if due is not None and due > now:
                self._keep(envelope, due, now)
            else:
                self._arrive(envelope, hops)

    def schedule(self, envelopes: Iterable[Envelope], check: Callable[[Envelope], None]) -> list[int]:
        """Like `send`, and the numbers that `cancel` takes. One without a time of its own is due at once."""
        given = list(envelopes)
        for envelope in given:
            _check_size(envelope, self._world.limits)
            check(envelope)
        now = self._world.now_ms()
        return [self._scheduled(envelope, now) for envelope in given]

    def _scheduled(self, envelope: Envelope, now: int) -> int:
        if self._is_known(envelope, now):
            return self._sequence.take()  # a duplicate reports success, and nothing comes of it
        due = envelope.scheduled_ms
        return self._keep(envelope, due if due is not None else now, now)

    def cancel(self, sequences: Iterable[int]) -> None:
        """Raises `MessageNotFound` for the first that is not there, and cancels none then."""
        wanted = list(dict.fromkeys(sequences))
        for sequence in wanted:
            if sequence not in self.scheduled:
                raise MessageNotFound(f"no scheduled message has the sequence number {sequence}")
        for sequence in wanted:
            del self.scheduled[sequence]
            self._world.journal.drop(self.path, sequence)

    def restore(self, message: Message) -> None:
        """A scheduled message from the store."""
        self.scheduled[message.sequence] = message
        self._ring(message)

    def restore_seen(self, message_id: str, until_ms: int) -> None:
        """A known message id from the store."""
        self._seen[message_id] = until_ms

    def _keep(self, envelope: Envelope, due_ms: int, now: int) -> int:
        message = Message(self._sequence.take(), envelope, now, None, due_ms, State.SCHEDULED)
        self.scheduled[message.sequence] = message
        self._world.journal.put(self.path, message)
        self._ring(message)
        return message.sequence

    def _ring(self, message: Message) -> None:
        heapq.heappush(self._due, (message.due_ms or 0, message.sequence))
        if len(self._due) > 2 * len(self.scheduled) + 1000:  # what was cancelled is forgotten here
            self._due = sorted((each.due_ms or 0, each.sequence) for each in self.scheduled.values())
        self._want()

    def _want(self) -> None:
        self._world.timers.want((self.path, "schedule"), self._due[0][0] if self._due else None, self._release)

    def _release(self, now_ms: int) -> None:
        while self._due and self._due[0][0] <= now_ms:
            message = self.scheduled.pop(heapq.heappop(self._due)[1], None)
            if message is not None:
                self._world.journal.drop(self.path, message.sequence)
                self._arrive(message.envelope, 0)
        self._want()

    def _is_known(self, envelope: Envelope, now: int) -> bool:
        """Whether this message id came within the window; marks it as come."""
        window, message_id = self.settings.duplicate_window_seconds, envelope.message_id
        if window is None or message_id is None:
            return False
        self._forget_old(now)
        if message_id in self._seen:
            return True
        self._seen[message_id] = now + round(window * 1000)
        self._world.journal.seen(self.path, message_id, self._seen[message_id])
        return False

    def _forget_old(self, now: int) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > now:
                return
            del self._seen[oldest]
            self._world.journal.seen(self.path, oldest, None)


def _check_size(envelope: Envelope, limits: Limits) -> None:
    if envelope.size_bytes - 128 > limits.message_bytes:
        raise MessageTooLarge(f"a message of {envelope.size_bytes - 128} bytes; {limits.message_bytes} is the most")
    head = len(envelope.raw_properties) + len(envelope.raw_application)
    if head > limits.properties_bytes:
        raise InvalidRequest(f"properties of {head} bytes; {limits.properties_bytes} is the most")
