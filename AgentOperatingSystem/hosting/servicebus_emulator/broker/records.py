"""What the broker keeps in memory of a message and of a session, and what it asks of those around it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Int, Long, Symbol, Timestamp
from AgentOperatingSystem.hosting.servicebus_emulator.broker.timers import Timers
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Limits


class State(IntEnum):
    """`x-opt-message-state`, as the vendor numbers it."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


@dataclass(slots=True, frozen=True)
class Lock:
    """A message in somebody's hands."""

    token: UUID
    until_ms: int


@dataclass(slots=True)
class Message:
    """One message of one queue."""

    sequence: int
    envelope: Envelope
    enqueued_ms: int
    expires_ms: int | None = None
    due_ms: int | None = None  # of a scheduled one
    state: State = State.ACTIVE
    delivery_count: int = 0
    lock: Lock | None = None

    def encoded(self) -> bytes:
        """The message as a receiver gets it."""
        added: dict[Any, Any] = {
            Symbol("x-opt-sequence-number"): Long(self.sequence),
            Symbol("x-opt-enqueued-time"): Timestamp(self.enqueued_ms),
            Symbol("x-opt-message-state"): Int(self.state),
        }
        if self.lock is None:
            return self.envelope.encoded(self.delivery_count, added)
        added[Symbol("x-opt-locked-until")] = Timestamp(self.lock.until_ms)
        return self.envelope.encoded(self.delivery_count, added, self.lock.token)


class Consumer(Protocol):
    """A receiver that is attached to a queue."""

    @property
    def credit(self) -> int:
        """How many messages it takes now."""
        ...

    @property
    def deletes(self) -> bool:
        """Whether a message is gone with its delivery."""
        ...

    def hand(self, message: Message) -> None:
        """Sends it the message."""
        ...

    def lose(self, why: ServiceBusRefusal) -> None:
        """Ends it: what it held is not its own any more."""
        ...


@dataclass(slots=True)
class Lane:
    """The messages that are ready in one order: those of a session, or all of a queue without sessions."""

    id: str | None
    ready: list[int] = field(default_factory=list)  # a heap of sequence numbers
    holder: Consumer | None = None
    until_ms: int = 0
    state: bytes | None = None
    updated_ms: int = 0


class Journal(Protocol):
    """What has to outlive the process."""

    def put(self, path: str, message: Message) -> None:
        """The message as it is now."""
        ...

    def drop(self, path: str, sequence: int) -> None:
        """The message is gone."""
        ...

    def counter(self, path: str, next_sequence: int) -> None:
        """The number that the entity gives next."""
        ...

    def session(self, path: str, lane: Lane) -> None:
        """A session's state."""
        ...

    def seen(self, path: str, message_id: str, until_ms: int | None) -> None:
        """A message id that is refused until then; None: no more."""
        ...

    def entity(self, path: str, document: str | None, created_ms: int, updated_ms: int) -> None:
        """An entity that administration made or changed, as its description; None: it is not declared any more."""
        ...

    def forget(self, path: str) -> None:
        """Everything of this path is gone."""
        ...


class Nothing:
    """A journal that keeps nothing."""

    def put(self, path: str, message: Message) -> None:
        """See `Journal`."""

    def drop(self, path: str, sequence: int) -> None:
        """See `Journal`."""

    def counter(self, path: str, next_sequence: int) -> None:
        """See `Journal`."""

    def session(self, path: str, lane: Lane) -> None:
        """See `Journal`."""

    def seen(self, path: str, message_id: str, until_ms: int | None) -> None:
        """See `Journal`."""

    def entity(self, path: str, document: str | None, created_ms: int, updated_ms: int) -> None:
        """See `Journal`."""

    def forget(self, path: str) -> None:
        """See `Journal`."""


@dataclass(slots=True)
class World:
    """What every entity shares."""

    now_ms: Callable[[], int]
    journal: Journal
    limits: Limits
    timers: Timers = field(default_factory=Timers)
    forward: Callable[[str, Envelope, int], None] = lambda name, envelope, hops: None
