"""What a host receives by itself: sessions of the mailbox queue, as many as it has room for, and entities without.

Begun by the bus when somebody takes turns; a host that is pushed to begins nothing here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from AgentOperatingSystem.errors import AOSError, StoreUnavailable
from AgentOperatingSystem.messaging.servicebus.ports import Connection, Inbox, Session
from AgentOperatingSystem.messaging.servicebus.records import Received
from AgentOperatingSystem.messaging.servicebus.sessions import AT_ONCE_SECONDS

ACCEPTORS_MAX: Final = 4
"""How many wait for the next session at the same time: each is a connection of its own."""
WAIT_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 1.0
CANCEL_AGAIN_SECONDS: Final = 0.1
INBOX_MAX: Final = 100
_log = logging.getLogger(__name__)


class Sessions:
    """Sessions in this host's hands; each is served by a task of its own."""

    def __init__(
        self,
        connection: Connection,
        queue: str,
        sessions_max: int,
        idle_seconds: float,
        serve: Callable[[Session], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._max = sessions_max
        self._idle_seconds = idle_seconds
        self._serve = serve
        self._serving: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def acceptors(self) -> int:
        """How many `accept_forever` there should be."""
        return min(ACCEPTORS_MAX, self._max)

    def __len__(self) -> int:
        return len(self._serving)

    async def accept_forever(self) -> None:
        """Takes one session after the other; no more than the host has room for."""
        while not self._connection.is_closed:
            await self._room.wait()
            try:
                session = await self._connection.next_session(self._queue, WAIT_SECONDS)
            except AOSError as error:
                await _again(self._connection, f"no session of {self._queue} is to be had", error)
                continue
            if session is not None:
                self._begin(session)

    def idle_seconds(self) -> float:
        """How long a session may wait for its next message; a full host gives it back as soon as it is empty."""
        return self._idle_seconds if len(self._serving) < self._max else AT_ONCE_SECONDS

    async def close(self) -> None:
        """Gives back every session."""
        await ended(self._serving)

    def _begin(self, session: Session) -> None:
        task = asyncio.ensure_future(self._serve(session))
        self._serving.add(task)
        task.add_done_callback(self._ended)
        self._look_for_room()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        self._look_for_room()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a session failed in the system itself; its messages come again", exc_info=error)

    def _look_for_room(self) -> None:
        if len(self._serving) < self._max:
            self._room.set()
        else:
            self._room.clear()


async def ended(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Cancels tasks until they are over: the SDK swallows a cancellation now and then."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_SECONDS)


async def read_forever(
    connection: Connection,
    entity: str,
    handle: Callable[[Received], Awaitable[None]],
    *,
    dead_letters: bool = False,
) -> None:
    """Handles and then consumes whatever comes to an entity without sessions."""
    what = f"dead letters of {entity}" if dead_letters else entity
    while not connection.is_closed:
        try:
            await _read(connection, await connection.inbox(entity, dead_letters=dead_letters), handle)
        except StoreUnavailable as error:
            await _again(connection, f"{what}: cannot be read", error)


async def _handled(handle: Callable[[Received], Awaitable[None]], received: Received) -> bool:
    """Whether the message is done. One that is refused comes again when its lock runs out, and holds up no other."""
    try:
        await handle(received)
    except StoreUnavailable:
        raise
    except AOSError as error:
        _log.warning("message %s is not handled yet: %s", received.message_id, error)
        return False
    return True


async def _again(connection: Connection, what: str, error: AOSError) -> None:
    if not connection.is_closed:
        _log.warning("%s (%s); trying again", what, error)
        await asyncio.sleep(AGAIN_SECONDS)


async def _read(connection: Connection, inbox: Inbox, handle: Callable[[Received], Awaitable[None]]) -> None:
    try:
        while not connection.is_closed:
            delivered = await inbox.receive(INBOX_MAX, WAIT_SECONDS)
            handled = await asyncio.gather(*(_handled(handle, each.received) for each in delivered))
            done = [each for each, is_handled in zip(delivered, handled, strict=True) if is_handled]
            if done:
                await inbox.complete(done)
    finally:
        await inbox.close()
