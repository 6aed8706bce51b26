"""What the bus needs of a connection to Service Bus: `servicebus_manager` has it with the vendor's SDK.

Every method raises `StoreUnavailable` where the broker cannot be reached, refuses this host, or lacks the entity.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from AgentOperatingSystem.messaging.servicebus.records import Outgoing, Received


class Delivered(NamedTuple):
    """A message under a lock, and what the connection settles it by."""

    received: Received
    handle: Any


class Inbox(Protocol):
    """Something that messages are received from under a lock."""

    async def receive(self, most: int, wait_seconds: float) -> list[Delivered]:
        """What is there, in order, at most so many; waits for the first one no longer than that."""
        ...

    async def complete(self, delivered: Sequence[Delivered]) -> bool:
        """Consumes messages for good; False where their lock was lost, so that some or all of them come again."""
        ...

    async def close(self) -> None:
        """Gives back what was not settled, without counting it."""
        ...


class Session(Inbox, Protocol):
    """A session that this host holds."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def seconds_left(self) -> float:
        """How long its lock holds from now on, by the broker's last word."""
        ...

    async def renew(self) -> bool:
        """Extends the lock; False where it is lost."""
        ...


class Connection(Protocol):
    """One namespace."""

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: everything else raises then."""
        ...

    async def send(self, entity: str, outgoing: Sequence[Outgoing]) -> None:
        """Sends messages in their order, in as few batches as they fit into.

        Raises `TooLarge`, `Overloaded` where the entity is full.
        """
        ...

    async def next_session(self, queue: str, wait_seconds: float) -> Session | None:
        """The next session with something in it, held from now on; None where there is none within that time."""
        ...

    async def inbox(self, entity: str, *, dead_letters: bool = False) -> Inbox:
        """The messages of a queue, or of `topic/subscription`; or the broker's dead letters of it."""
        ...

    async def peek(self, entity: str, after: int, most: int, *, dead_letters: bool = False) -> list[Received]:
        """Messages behind a sequence number, without a lock."""
        ...

    async def close(self) -> None:
        """Lets go of everything. Closing twice is the same as once."""
        ...
