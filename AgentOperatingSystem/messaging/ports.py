"""The port of messaging: a broker carries messages to mailboxes and rings doorbells; order within one agent is the
session's.

Broker locks and sessions give order and economy, never safety: that is the commit's.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.watchers import Watchers


class Turn(msgspec.Struct, frozen=True):
    """One waking of one agent: messages of its session, in order, and the receipt of each."""

    agent: AgentId
    messages: tuple[Message, ...]
    receipts: tuple[str, ...]
    deliveries: int = 1
    """How many times the first message was handed out, this time included."""
    alone: bool = False
    """Whether nothing else is to run beside it: an event of this agent was in a handler's hands when its host died."""


class MessageBus(Protocol):
    """At least once, FIFO per agent, one turn of an agent at a time (as long as the broker's lock holds).

    Every method raises `StoreUnavailable` where the broker cannot be reached.
    """

    async def send(self, messages: Sequence[Message]) -> None:
        """Accepts messages durably; each is held back until its `due`. A message id seen before may be swallowed.

        Raises `Overloaded` where too much is waiting already; doorbells are always taken, because control rings them.
        """
        ...

    async def offer(self, message: Message) -> None:
        """Starts a turn for a message whose sender waits for the outcome and keeps the message itself until then.

        A broker that cannot carry without keeping sends it.
        """
        ...

    async def keep(self, message: Message) -> None:
        """Makes an offered message durable after all, because its sender no longer waits."""
        ...

    def waiting(self, message_id: str) -> Message | None:
        """The message of this id that is still queued or in a turn here; None where there is none or the broker cannot
        tell.
        """
        ...

    async def find(self, message_id: str) -> Message | None:
        """The message of this id that no turn has consumed yet, wherever it is kept; None also where the broker cannot
        tell.
        """
        ...

    def turns(self) -> AsyncIterator[Turn]:
        """Turns as they become due; ends after `close`."""
        ...

    async def settle(self, turn: Turn) -> None:
        """Consumes the turn's messages for good."""
        ...

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        """Gives the turn's messages back unhandled, to be delivered again in the same order."""
        ...

    def begins(self, message_id: str) -> int:
        """The event of this message is in a handler's hands from now on; answers how many hosts died while it was in
        theirs. 0 where the broker cannot tell.
        """
        ...

    def ended(self, message_id: str) -> None:
        """The handler is done with it, and this host lives."""
        ...

    async def close(self) -> None:
        """Hands out no further turn and lets go of all resources. Closing twice is the same as once."""
        ...


class Broker(MessageBus, Protocol):
    """A bus that is the system's own: it keeps publications to be followed, and tells what it has in hand."""

    watchers: Watchers
    """Told of publications, under the name `embedded.PUBLICATIONS`."""

    @property
    def commits(self) -> int:
        """How many transactions this host has made."""
        ...

    def pending(self) -> int:
        """How many messages wait for a turn or are in one."""
        ...

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Publications of a tenant with their numbers, in an order in which none is missed, behind number `after`."""
        ...

    async def last_publication(self) -> int:
        """The number of the latest publication of all tenants; 0 where there is none."""
        ...

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Deletes publications that were made before `before` (UTC seconds), the oldest first, at most `limit`."""
        ...
