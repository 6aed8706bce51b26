"""Sessions of a queue: who holds which, for how long, and who waits for the next one with something in it.

One holder at a time. A session that its holder closes gives its messages back uncounted; one whose lock expires counts
a failed delivery for each message that was out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Consumer, Lane, Message, World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    InvalidRequest,
    ServiceBusRefusal,
    SessionCannotBeLocked,
    SessionLockLost,
)


@dataclass(slots=True, eq=False)
class Waiter:
    """A receiver that takes any session."""

    consumer: Consumer
    given: Callable[[Lane], None]


class _Nobody:
    """Stands at a session while what was out comes back, so that nothing is delivered in between."""

    credit = 0
    deletes = False

    def hand(self, message: Message) -> None:
        """Never asked: it has no credit."""

    def lose(self, why: ServiceBusRefusal) -> None:
        """It has nothing to lose."""


class Sessions:
    """The sessions of one queue."""

    def __init__(self, queue: Queue, world: World) -> None:
        self._queue = queue
        self._world = world
        self._waiters: dict[Waiter, None] = {}
        self._held: dict[str, Lane] = {}  # in the order of their expiry
        self._candidates: dict[str, None] = {}  # free and not empty, as far as is known; looked at again before use

    def noticed(self, name: str | None) -> None:
        """Something came into this session: whoever waits gets it if it is free."""
        if name is None:
            return
        self._candidates[name] = None
        self._satisfy()

    def take(self, name: str, consumer: Consumer) -> Lane:
        """Locks this session. Raises `SessionCannotBeLocked`."""
        lane = self._queue.shelf.lane(name)
        if lane.holder is not None:
            raise SessionCannotBeLocked(f"the session {name!r} is held by another receiver")
        lane.holder = consumer
        self._extend(name, lane)
        return lane

    def wait(self, waiter: Waiter) -> None:
        """Gives it the first session that is free and not empty, now or later."""
        self._waiters[waiter] = None
        self._satisfy()

    def leave(self, waiter: Waiter) -> bool:
        """It does not wait any more; False where it did not."""
        return self._waiters.pop(waiter, waiter) is None

    def close(self, lane: Lane, consumer: Consumer) -> None:
        """The holder is gone."""
        if lane.holder is consumer:
            for token in self._tokens(lane):
                self._queue.release(token)
            self._free(lane)

    def renew(self, name: str) -> int:
        """Until when the session is held now. Raises `SessionLockLost`."""
        lane = self._held.get(name)
        if lane is None:
            raise SessionLockLost(f"the session {name!r} is not held")
        self._extend(name, lane)
        return lane.until_ms

    def state(self, name: str) -> bytes | None:
        """What was last set. Raises `SessionLockLost`."""
        return self._locked(name).state

    def set_state(self, name: str, state: bytes | None) -> None:
        """Raises `SessionLockLost`, and `InvalidRequest` for one that is too large."""
        lane = self._locked(name)
        limit = self._world.limits.session_state_bytes
        if state is not None and len(state) > limit:
            raise InvalidRequest(f"a session state of {len(state)} bytes; {limit} is the most")
        lane.state, lane.updated_ms = state, self._world.now_ms()
        self._world.journal.session(self._queue.path, lane)

    def names(self, updated_after_ms: int | None) -> list[str]:
        """Sessions with messages; or those whose state was set after that moment."""
        lanes = self._queue.shelf.lanes.values()
        if updated_after_ms is not None:
            return [lane.id for lane in lanes if lane.id is not None and lane.updated_ms > updated_after_ms]
        busy = {each.envelope.session_id for each in self._queue.shelf.messages.values()}
        return [lane.id for lane in lanes if lane.id is not None and lane.id in busy]

    def _locked(self, name: str) -> Lane:
        lane = self._held.get(name)
        if lane is None:
            raise SessionLockLost(f"the session {name!r} is not held")
        return lane

    def _extend(self, name: str, lane: Lane) -> None:
        self._held.pop(name, None)
        self._held[name] = lane
        lane.until_ms = self._world.now_ms() + round(self._queue.holding.lock_seconds * 1000)
        self._want()

    def _want(self) -> None:
        first = next(iter(self._held.values()), None)
        self._world.timers.want((self._queue.path, "sessions"), first.until_ms if first else None, self._tick)

    def _tick(self, now_ms: int) -> None:
        while (lane := next(iter(self._held.values()), None)) is not None and lane.until_ms <= now_ms:
            if lane.id is not None and lane.holder is not None and lane.holder.deletes:
                self._extend(lane.id, lane)  # nothing is locked, so there is nothing to lose
                continue
            holder, lane.holder = lane.holder, _Nobody()
            for token in self._tokens(lane):
                self._queue.abandon(token)
            self._free(lane)
            if holder is not None:
                holder.lose(SessionLockLost(f"the lock of session {lane.id!r} has expired"))
        self._want()

    def _tokens(self, lane: Lane) -> list[UUID]:
        return [token for token, each in self._queue.locked.items() if each.envelope.session_id == lane.id]

    def _free(self, lane: Lane) -> None:
        lane.holder = None
        if lane.id is not None:
            self._held.pop(lane.id, None)
            self._queue.shelf.tidy(lane)
            self.noticed(lane.id)

    def _satisfy(self) -> None:
        while self._waiters and self._candidates:
            name = next(iter(self._candidates))
            del self._candidates[name]
            lane = self._queue.shelf.lanes.get(name)
            if lane is None or lane.holder is not None or self._queue.shelf.first_ready(lane) is None:
                continue
            waiter = next(iter(self._waiters))
            del self._waiters[waiter]
            waiter.given(self.take(name, waiter.consumer))
