"""Who waits for which event on this host. A waiter that goes away loses nothing: the outcome is in the event's row."""

import asyncio

from AgentOperatingSystem.errors import EventInFlight, IdempotencyKeyReused
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.storage.records import EventRow, Status

Waiter = asyncio.Future[EventRow]
UNTOLD = (Status.PARKED, Status.WAITING)
"""Those who wait for an event wait on while it stands so."""


class Outcomes:
    """Futures of event rows, by agent and event key."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[AgentId, str], tuple[str, list[Waiter]]] = {}
        self.watchers = Watchers()
        """Told of an agent (its `AgentId`) whenever an event of it moved on."""

    def wait(self, agent: AgentId, key: str, fingerprint: str) -> tuple[Waiter, bool]:
        """A future of the event's end, and whether it is the first for this event.

        Raises `EventInFlight` where the same key is in flight with another body.
        """
        waiter: Waiter = asyncio.get_running_loop().create_future()
        known = self._waiting.get((agent, key))
        if known is None:
            self._waiting[agent, key] = (fingerprint, [waiter])
            return waiter, True
        if known[0] != fingerprint:
            raise EventInFlight(
                f"an event with the same idempotency key and another body is in flight for {agent}", 1.0
            )
        known[1].append(waiter)
        return waiter, False

    def is_awaited(self, agent: AgentId, key: str) -> bool:
        """Whether somebody on this host waits for the event."""
        return (agent, key) in self._waiting

    def leave(self, agent: AgentId, key: str, waiter: Waiter) -> None:
        """The waiter gave up."""
        known = self._waiting.get((agent, key))
        if known and waiter in known[1]:
            known[1].remove(waiter)
            if not known[1]:
                del self._waiting[agent, key]

    def tell(self, agent: AgentId, row: EventRow) -> None:
        """Hands the row of an event that ended (or was put aside) to whoever waits for it."""
        self.watchers.notify(agent)
        if row.status in UNTOLD or not self._waiting:
            return
        known = self._waiting.pop((agent, row.key), None)
        if known is None:
            return
        for waiter in known[1]:
            if not waiter.done():
                _answer(waiter, row, known[0])

    def give_up(self) -> None:
        """Tells everybody that nothing more will end here: a time-out for those who wait; their events are kept."""
        waiting, self._waiting = self._waiting, {}
        for _, waiters in waiting.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(TimeoutError())

    def fail(self, agent: AgentId, key: str, error: Exception) -> None:
        """Tells whoever waits that the event could not be handled here."""
        known = self._waiting.pop((agent, key), None)
        for waiter in known[1] if known else ():
            if not waiter.done():
                waiter.set_exception(error)


def _answer(waiter: Waiter, row: EventRow, fingerprint: str) -> None:
    if row.fingerprint and row.fingerprint != fingerprint:
        waiter.set_exception(
            IdempotencyKeyReused(f"event {row.event.id!r} of {row.event.source!r} was accepted with another body")
        )
    else:
        waiter.set_result(row)
