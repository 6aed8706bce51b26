"""A queue, a subscription, or the dead-letter queue of one: who gets which message, and what becomes of it.

Messages come from `Intake`, a topic or another queue; they go to `Consumer`s in the order of their numbers. Every way
out of a lock is one of `complete`, `abandon`, `defer`, `dead_letter` and `release`, or its expiry.
"""

import heapq
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Long, Symbol
from AgentOperatingSystem.hosting.servicebus_emulator.broker.intake import Sequence
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Consumer, Lane, Lock, Message, State, World
from AgentOperatingSystem.hosting.servicebus_emulator.broker.shelf import Shelf
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    EntityNotFound,
    MessageLockLost,
    MessageNotFound,
    SessionLockLost,
)
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Holding

HOPS_MAX = 4  # entities that may forward one message
_LOST = "ForwardingDestinationNotFound"
REASON, DESCRIPTION = "DeadLetterReason", "DeadLetterErrorDescription"


class Queue:
    """Messages under peek-lock."""

    def __init__(self, path: str, holding: Holding, world: World, dead_letters: "Queue | None") -> None:
        self.path = path
        self.holding = holding
        self.dead_letters = dead_letters
        self.sequence = Sequence(path, world)
        self.shelf = Shelf(path, world, has_sessions=holding.requires_session)
        self.locked: dict[UUID, Message] = {}  # without sessions: in the order of their expiry
        self._world = world
        self.on_idle: Callable[[Lane], None] = lambda lane: None  # a lane has messages and nobody takes them
        self._consumers: dict[Consumer, None] = {}

    def change(self, holding: Holding) -> None:
        """Other settings from now on; what is here keeps its expiry and its locks, and sessions stay or are not."""
        self.holding = holding
        if self.dead_letters is not None:
            self.dead_letters.holding = Holding(lock_seconds=holding.lock_seconds)

    # In

    def arrive(self, envelope: Envelope, hops: int) -> None:
        """A message for this queue, or for the one that it forwards to."""
        target = self.holding.forward_to
        if target is not None:
            return self._hand_on(target, envelope, hops + 1)
        now = self._world.now_ms()
        message = Message(self.sequence.take(), envelope, now, self._expiry(envelope, now))
        self._add(message)
        if self.holding.requires_session and envelope.session_id is None:
            self._bury(
                message,
                "Session ID is null.",
                "Session enabled entity doesn't allow a message whose session identifier is null.",
            )
        else:
            self.serve(self.shelf.lane_of(message))

    def _hand_on(self, target: str, envelope: Envelope, hops: int) -> None:
        """To the entity that this one forwards to; where that is gone, among the dead letters here."""
        try:
            self._world.forward(target, envelope, hops)
        except EntityNotFound as lost:
            if self.dead_letters is not None:
                self.dead_letters.arrive(envelope.with_application({REASON: _LOST, DESCRIPTION: str(lost)}), 0)

    def take_over(self, message: Message) -> None:
        """A dead letter, with the number that it has."""
        self._add(replace(message, state=State.ACTIVE, lock=None, expires_ms=None))
        self.serve(self.shelf.lane(None))

    def _add(self, message: Message) -> None:
        self.shelf.add(message)
        self.want()

    def _expiry(self, envelope: Envelope, now: int) -> int:
        most = round(self.holding.time_to_live_seconds * 1000)
        asked = envelope.time_to_live_ms
        return now + (most if asked is None else min(asked, most))

    # Out

    def attach(self, consumer: Consumer) -> None:
        """A receiver of a queue without sessions."""
        self._consumers[consumer] = None

    def detach(self, consumer: Consumer) -> None:
        """It is gone; its locks stay until they expire or are settled by their tokens."""
        self._consumers.pop(consumer, None)

    def serve(self, lane: Lane) -> None:
        """Delivers what is ready to whoever has credit."""
        while (message := self.shelf.first_ready(lane)) is not None:
            consumer = self._next_consumer(lane)
            if consumer is None:
                return self.on_idle(lane)
            heapq.heappop(lane.ready)
            self._hand(consumer, message)

    def _next_consumer(self, lane: Lane) -> Consumer | None:
        if self.holding.requires_session:
            return lane.holder if lane.holder is not None and lane.holder.credit > 0 else None
        for consumer in self._consumers:
            if consumer.credit > 0:
                del self._consumers[consumer]  # in turns
                self._consumers[consumer] = None
                return consumer
        return None

    def _hand(self, consumer: Consumer, message: Message) -> None:
        if consumer.deletes:
            self.shelf.remove(message)
        else:
            self.lock(message)
        consumer.hand(message)

    def lock(self, message: Message) -> None:
        """Gives the message to somebody for the time of a lock; a session's messages have the session's."""
        lane = self.shelf.lane_of(message)
        until = lane.until_ms if self.holding.requires_session else self._lock_end()
        message.lock = Lock(uuid4(), until)
        self.locked[message.lock.token] = message
        self.want()

    def _lock_end(self) -> int:
        return self._world.now_ms() + round(self.holding.lock_seconds * 1000)

    # Settling

    def held(self, token: UUID) -> Message:
        """The message under this lock. Raises `MessageLockLost`, where there are sessions `SessionLockLost`."""
        message = self.locked.get(token)
        if message is None:
            lost = SessionLockLost if self.holding.requires_session else MessageLockLost
            raise lost(f"the lock {token} has expired, or its message was settled already")
        return message

    def renew(self, token: UUID) -> int:
        """Until when the lock holds now, in milliseconds since 1970. Raises `MessageLockLost`."""
        message = self.held(token)
        if not self.holding.requires_session:
            del self.locked[token]
            message.lock = Lock(token, self._lock_end())
            self.locked[token] = message
        return message.lock.until_ms if message.lock else 0

    def complete(self, token: UUID) -> None:
        """The message is done and gone."""
        self.shelf.remove(self._unlocked(token))

    def abandon(self, token: UUID, changes: dict[Any, Any] | None = None) -> None:
        """It failed: to be tried again, or a dead letter after too many times."""
        message = self._unlocked(token)
        self._modify(message, changes)
        self.failed(message)

    def release(self, token: UUID) -> None:
        """It was not looked at: back to its place, nothing counted."""
        self._return(self._unlocked(token))

    def defer(self, token: UUID, changes: dict[Any, Any] | None = None) -> None:
        """Kept aside, to be had by its number alone."""
        message = self._unlocked(token)
        self._modify(message, changes)
        message.state = State.DEFERRED
        self.shelf.save(message)
        self._tidy_session(message)

    def dead_letter(
        self, token: UUID, reason: str | None, description: str | None, changes: dict[Any, Any] | None = None
    ) -> None:
        """Put aside for a person."""
        message = self._unlocked(token)
        self._modify(message, changes)
        self._bury(message, reason, description)

    def _unlocked(self, token: UUID) -> Message:
        message = self.held(token)
        del self.locked[token]
        message.lock = None
        return message

    @staticmethod
    def _modify(message: Message, changes: dict[Any, Any] | None) -> None:
        """What a receiver changes when it settles goes into the application properties."""
        if changes:
            message.envelope = message.envelope.with_application({str(key): value for key, value in changes.items()})

    def failed(self, message: Message) -> None:
        """One delivery more that came to nothing."""
        message.delivery_count += 1
        if self.dead_letters is not None and message.delivery_count >= self.holding.max_delivery_count:
            attempts = self.holding.max_delivery_count
            text = f"Message could not be consumed after {attempts} delivery attempts."
            return self._bury(message, "MaxDeliveryCountExceeded", text)
        self.shelf.save(message)
        self._return(message)

    def _return(self, message: Message) -> None:
        if message.expires_ms is not None and message.expires_ms <= self._world.now_ms():
            return self._expire(message)
        self.shelf.make_ready(message)
        self.serve(self.shelf.lane_of(message))

    def _tidy_session(self, message: Message) -> None:
        self.shelf.tidy(self.shelf.lane_of(message))

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        """Moves a message to the dead letters; one that is a dead letter already goes back to its place."""
        if self.dead_letters is None:
            return self._return(message)
        self.shelf.remove(message)
        told = {REASON: reason, DESCRIPTION: description}
        envelope = message.envelope.with_application({name: text for name, text in told.items() if text is not None})
        source = {Symbol("x-opt-deadletter-source"): self.path}
        target = self.holding.forward_dead_letters_to
        if target is not None:
            self._hand_on(target, envelope.with_annotations(source), 1)
        else:
            origin = {Symbol("x-opt-enqueue-sequence-number"): Long(message.sequence)}
            self.dead_letters.take_over(replace(message, envelope=envelope.with_annotations(origin)))
        self._tidy_session(message)

    def _expire(self, message: Message) -> None:
        if self.holding.dead_letter_on_expiry and self.dead_letters is not None:
            self._bury(message, "TTLExpiredException", "The message expired and was dead lettered.")
        else:
            self.shelf.remove(message)
            self._tidy_session(message)

    # By number

    def deferred(self, sequences: list[int], *, deletes: bool) -> list[Message]:
        """Deferred messages, under new locks or gone from here. Raises `MessageNotFound`, and gives none then."""
        found = [self.shelf.messages.get(sequence) for sequence in dict.fromkeys(sequences)]
        messages = [each for each in found if each is not None and each.state is State.DEFERRED and each.lock is None]
        if len(messages) < len(found):
            raise MessageNotFound("one of the sequence numbers is of no deferred message that could be had")
        for message in messages:
            if deletes:
                self.shelf.remove(message)
            else:
                self.lock(message)
        return messages

    def peek(self, first: int, most: int, scheduled: dict[int, Message], session: str | None) -> list[Message]:
        """Whatever is here from that number on, locked, deferred and scheduled ones too."""
        every = {**scheduled, **self.shelf.messages}
        numbers = [
            number
            for number, message in every.items()
            if number >= first and (session is None or message.envelope.session_id == session)
        ]
        return [every[number] for number in heapq.nsmallest(most, numbers)]

    # Time

    def want(self) -> None:
        """Asks to be called when the next lock or message expires."""
        moments = [self.shelf.next_expiry_ms(), self._next_lock_end()]
        self._world.timers.want(
            (self.path, "queue"), min((each for each in moments if each is not None), default=None), self.tick
        )

    def _next_lock_end(self) -> int | None:
        if self.holding.requires_session or not self.locked:
            return None
        first = next(iter(self.locked.values()))
        return first.lock.until_ms if first.lock else None

    def tick(self, now_ms: int) -> None:
        """Takes back locks, and messages whose time is over."""
        while (end := self._next_lock_end()) is not None and end <= now_ms:
            self.failed(self._unlocked(next(iter(self.locked))))
        for message in list(self.shelf.expired(now_ms)):
            self._expire(message)
        self.want()
