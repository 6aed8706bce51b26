"""One held session: its messages become turns, one at a time, and are settled or handed out again.

Begun by the bus for every session that the broker gives it; puts turns into the bus's hands and waits for what becomes
of each. The lock is renewed all the while; where it is lost, `lost` says so to whoever is at work on the turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.servicebus.claims import redeemed
from AgentOperatingSystem.messaging.servicebus.mail import arm_of, turn_of
from AgentOperatingSystem.messaging.servicebus.ports import Delivered, Session
from AgentOperatingSystem.storage.ports import BlobStore

RENEW_SECONDS_MAX: Final = 20.0
RENEW_AGAIN_SECONDS: Final = 1.0
AT_ONCE_SECONDS: Final = 0.02
"""How long a look for what is there already takes at most."""
_log = logging.getLogger(__name__)
_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a held session needs of its bus."""

    clock: Clock
    blobs: BlobStore | None
    queue: str
    turn_events_max: int
    idle_seconds: Callable[[], float]
    """How long it may wait for its next message now."""
    arm_again: Callable[[Message, int], Awaitable[None]]
    """Schedules a message that came too early, so many times before."""
    hand_out: Callable[["Held"], None]
    """A turn is ready: `Held.turn`."""


@dataclass(slots=True)
class Held:
    """A session in this host's hands."""

    session: Session
    around: Surroundings
    turn: Turn | None = None
    """The turn that was handed out and has not ended."""
    is_lost: bool = False
    """Whether its lock was lost."""
    _is_over: bool = False
    _delivered: list[Delivered] = field(default_factory=list)
    """The messages of the turn."""
    _rest: list[Delivered] = field(default_factory=list)
    """What was received beside them, for turns that follow."""
    _ended: asyncio.Future[float | None] | None = None
    """Becomes None where the turn was settled, else the seconds after which it comes again."""

    async def run(self) -> None:
        """Hands out turns until nothing comes any more, or the lock is lost; then the session is given back."""
        renewing = asyncio.create_task(self._renew_forever(), name="aos-renew")
        try:
            while not self.is_lost and not self._is_over and (delivered := await self._next()):
                await self._turns_of(delivered)
        except StoreUnavailable as error:
            _log.info("session %s: %s; its messages come again", self.session.id, error)
        finally:
            self._is_over = True
            renewing.cancel()
            with suppress(StoreUnavailable):
                await self.session.close()

    async def settle(self) -> None:
        """Consumes the turn's messages. Raises `StoreUnavailable`: whether they come again is not known then."""
        if not await self.session.complete(self._delivered):
            _log.warning("session %s: its lock was lost before its turn was settled", self.session.id)
            self.lose()
        self._end(None)

    def release(self, after_seconds: float) -> None:
        """The turn comes again, from here: nothing is given back to the broker, and nothing counted."""
        self._end(after_seconds)

    def lose(self) -> None:
        """The lock is lost: the messages of the turn come again, here or elsewhere. Who is at work on it may go on."""
        self.is_lost = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def stop(self) -> None:
        """The host goes: the session is given back with what is in it."""
        self._is_over = True
        self._end(None)

    # --- inside -------------------------------------------------------------------------------------------------

    async def _next(self) -> list[Delivered]:
        """What comes next. What was in the hands of somebody who lost it is tried alone."""
        rest, self._rest = self._rest, []
        found = rest or await self.session.receive(self.around.turn_events_max, self.around.idle_seconds())
        if found and found[0].received.delivery_count:
            found, self._rest = found[:1], found[1:]
        return found

    async def _turns_of(self, delivered: list[Delivered]) -> None:
        """Hands out one turn, again and again until it is settled."""
        turn, self._delivered = await self._ready(delivered)
        while turn is not None:
            self.turn = turn
            self._ended = asyncio.get_running_loop().create_future()
            self.around.hand_out(self)
            after_seconds = await self._ended
            if after_seconds is None or self.is_lost or self._is_over:
                return
            await self.around.clock.sleep(after_seconds)
            turn = await self._with_later(_replace(turn, deliveries=turn.deliveries + 1))

    async def _ready(self, delivered: list[Delivered]) -> tuple[Turn | None, list[Delivered]]:
        """The turn of messages, less those that were armed on their way to a later time: they are armed again."""
        received = [await redeemed(each.received, self.around.blobs) for each in delivered]
        turn = turn_of(received, self.around.queue)
        now = self.around.clock.now()
        soon = [place for place, message in enumerate(turn.messages) if message.due > now and arms(message, now)]
        if not soon:
            return turn, delivered
        for place in soon:
            await self.around.arm_again(turn.messages[place], arm_of(received[place]) + 1)
        await self._complete([delivered[place] for place in soon])
        left = [place for place in range(len(delivered)) if place not in soon]
        if not left:
            return None, []
        return turn_of([received[place] for place in left], self.around.queue), [delivered[place] for place in left]

    async def _complete(self, delivered: Sequence[Delivered]) -> None:
        if not await self.session.complete(delivered):
            self.lose()

    async def _with_later(self, turn: Turn) -> Turn:
        """The turn with what came meanwhile, behind it."""
        room = self.around.turn_events_max - len(turn.messages)
        if room <= 0 or self._rest or self._delivered[0].received.delivery_count:
            return turn
        later = await self.session.receive(room, AT_ONCE_SECONDS)
        if not later:
            return turn
        more, delivered = await self._ready(later)
        if more is None or more.agent != turn.agent:
            self._rest += delivered
            return turn
        self._delivered += delivered
        return _replace(turn, messages=turn.messages + more.messages, receipts=turn.receipts + more.receipts)

    def _end(self, after_seconds: float | None) -> None:
        self.turn = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(after_seconds)

    async def _renew_forever(self) -> None:
        while not self._is_over:
            await asyncio.sleep(min(max(self.session.seconds_left / 2, RENEW_AGAIN_SECONDS), RENEW_SECONDS_MAX))
            try:
                held = await self.session.renew()
            except StoreUnavailable as error:
                _log.warning("session %s: its lock could not be renewed (%s); trying again", self.session.id, error)
                held = self.session.seconds_left > 0
            if not held:
                return self.lose()


def arms(message: Message, now: float) -> bool:
    """Whether a message came so much too early that it was armed on the way; less than a second is the clocks'."""
    return message.due - now > EARLY_SECONDS


EARLY_SECONDS: Final = 1.0
"""How much a broker's clock may be ahead of ours: a bell that comes so little too early is handed out, and the kernel
gives the agent another one."""
