"""Which letters this host holds, by message id, and until when nobody else sees them.

A letter is held from the moment at which it was put or taken: queued here, in a turn, or held back until it is due. No
I/O; `bus` acts.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import is_of
from AgentOperatingSystem.messaging.azure.letters import Letter
from AgentOperatingSystem.messaging.azure.post import Posted


@dataclass(slots=True)
class Held:
    """One letter in this host's hands."""

    message: Message
    posted: Posted
    until: float
    """UTC seconds from which on others may receive it."""
    crashes: int = 0
    """How many hosts died with it in a handler's hands."""
    seen: int = 0
    """How often it was handed out, as the queue counts; 0 where it was put here."""
    deliveries: int = 1
    """How often it was handed out and not given back in good order, this time included."""
    lost: bool = False
    """Somebody else may have it by now."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A letter is changed by one task at a time, because every change needs the receipt of the last."""

    def unspent(self) -> Letter:
        """The letter of one that no host has died with since it was taken."""
        return Letter(message=self.message, crashes=self.crashes, known=self.seen)

    def is_bell_of(self, message_id: str) -> bool:
        """Whether it wakes the agent to which this message belongs."""
        agent = self.message.agent
        return self.message.event is None and agent is not None and is_of(message_id, agent.partition)


class Holdings:
    """All of them."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._scheduled: dict[str, float] = {}
        """When each that is not due is to be looked at again."""
        self._times: list[tuple[float, int, str]] = []
        self._places = count()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, message_id: str) -> Held | None:
        """The letter of this message, where this host holds it."""
        return self._held.get(message_id)

    def keep(self, held: Held) -> None:
        """This host holds it from now on."""
        self._held[held.message.id] = held

    def forget(self, message_ids: Sequence[str]) -> None:
        """It does no more."""
        for message_id in message_ids:
            self._held.pop(message_id, None)
            self._scheduled.pop(message_id, None)

    def schedule(self, message_id: str, moment: float) -> None:
        """`due` is to answer it at this moment."""
        self._scheduled[message_id] = moment
        heappush(self._times, (moment, next(self._places), message_id))

    @property
    def scheduled(self) -> int:
        """How many are held back."""
        return len(self._scheduled)

    def next_moment(self) -> float | None:
        """When the first of those that are held back is to be looked at."""
        while self._times and self._scheduled.get(self._times[0][2]) != self._times[0][0]:
            heappop(self._times)
        return self._times[0][0] if self._times else None

    def due(self, now: float) -> Iterator[Held]:
        """Those whose moment has come, in the order of their times."""
        while (moment := self.next_moment()) is not None and moment <= now:
            message_id = heappop(self._times)[2]
            del self._scheduled[message_id]
            yield self._held[message_id]

    def expiring(self, before: float) -> list[Held]:
        """Those that others might receive before this moment."""
        return [held for name, held in self._held.items() if held.until < before and not held.lost]

    def all(self) -> list[Held]:
        """Everything in hand."""
        return list(self._held.values())
