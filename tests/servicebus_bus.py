"""The bus on Service Bus for tests whose time stands still: bus, SDK and server live in a thread of real time.

The vendor's SDK waits by the machine's clock, so it cannot run in a loop that a test moves. The broker and the bus ask
the test's clock for everything that is due; the test's loop asks `Thread.is_at_work` whether anything is on its way.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar

from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import State
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Entrance,
    Holding,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.servicebus.bus import ServiceBusBus
from AgentOperatingSystem.messaging.servicebus.records import Places
from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager
from tests.clocks import EPOCH

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
FOREVER_SECONDS = 50 * 365 * 86_400.0
PLACES = Places(log="aos-log")


def mailboxes(lock_seconds: float = 30.0, window_seconds: float = 600.0, deliveries_max: int = 10) -> NamespaceSettings:
    """The entities of a system."""
    holding = Holding(
        requires_session=True,
        lock_seconds=lock_seconds,
        max_delivery_count=deliveries_max,
        time_to_live_seconds=FOREVER_SECONDS,
    )
    entrance = Entrance(duplicate_window_seconds=window_seconds)
    plain = Holding(lock_seconds=lock_seconds, max_delivery_count=deliveries_max, time_to_live_seconds=FOREVER_SECONDS)
    subscriptions = tuple(
        SubscriptionSettings(name=name, holding=plain) for name in (PLACES.router, PLACES.log, "outside")
    )
    topic = TopicSettings(
        name=PLACES.topic, entrance=entrance, subscriptions=subscriptions, time_to_live_seconds=FOREVER_SECONDS
    )
    return NamespaceSettings(
        queues=(QueueSettings(name=PLACES.queue, holding=holding, entrance=entrance),), topics=(topic,)
    )


@cache
def thread() -> asyncio.AbstractEventLoop:
    """A loop of real time that runs beside the tests'."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="service bus", daemon=True).start()
    return loop


class TestClock:
    """The time of the test's loop, for those in the thread."""

    __test__ = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.sleepers: list[float] = []

    def now(self) -> float:
        return EPOCH + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + seconds
        self.sleepers.append(until)
        while self.now() < until:  # noqa: ASYNC110  # the time is another loop's
            await asyncio.sleep(0.002)
        self.sleepers.remove(until)


class BridgedBus:
    """`MessageBus` of the thread, for the test's loop."""

    def __init__(self, copies: Callable[[Event], Sequence[Event]], limits: dict[str, Any]) -> None:
        self._clock = TestClock(asyncio.get_running_loop())
        self._copies = copies
        self._limits = limits
        self._calls = self._made = 0
        self._calm = (-1, 0.0)
        self._turns: deque[Turn] = deque()
        self._news = asyncio.Event()
        self._ticked_at = 0.0
        self._calm_at = time.monotonic()

    async def open(self) -> None:
        await self._do(self._open)

    async def _open(self) -> None:
        # locks that hold for ever: the SDK itself checks them, by the machine's clock
        settings = mailboxes(lock_seconds=FOREVER_SECONDS, window_seconds=FOREVER_SECONDS)
        self.server = LocalServiceBus(settings, now_seconds=self._clock.now)
        await self.server.start()
        self._manager = ServiceBusManager(
            self.server.connection_string(), keep_alive_seconds=0, retries=0, gather_seconds=0.05
        )
        self.bus = ServiceBusBus(
            self._manager,
            self._clock,
            self._copies,
            places=PLACES,
            arm_seconds=100 * 86_400.0,
            count=self._count,
            **self._limits,
        )
        self._ticker = asyncio.create_task(self._tick_forever())

    async def aclose(self) -> None:
        await self.close()
        await self._do(self._stop)

    async def _stop(self) -> None:
        self._ticker.cancel()
        await self.server.stop()

    # --- MessageBus -------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        await self._do(lambda: self.bus.send(messages))

    async def offer(self, message: Message) -> None:
        await self._do(lambda: self.bus.offer(message))

    async def keep(self, message: Message) -> None:
        await self._do(lambda: self.bus.keep(message))

    def waiting(self, message_id: str) -> Message | None:
        return self.bus.waiting(message_id)

    async def find(self, message_id: str) -> Message | None:
        return await self._do(lambda: self.bus.find(message_id))

    async def turns(self) -> AsyncIterator[Turn]:
        loop = asyncio.get_running_loop()
        reading = asyncio.run_coroutine_threadsafe(self._read(loop), thread())
        reading.add_done_callback(lambda _: loop.call_soon_threadsafe(self._news.set))
        while True:
            while self._turns:
                yield self._turns.popleft()
            if reading.done():
                return
            self._news.clear()
            await self._news.wait()

    async def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        async for turn in self.bus.turns():
            loop.call_soon_threadsafe(self._take, turn)

    def _take(self, turn: Turn) -> None:
        self._turns.append(turn)
        self._news.set()

    async def settle(self, turn: Turn) -> None:
        await self._do(lambda: self.bus.settle(turn))

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        await self._do(lambda: self.bus.release(turn, after_seconds))

    def begins(self, message_id: str) -> int:
        return self.bus.begins(message_id)

    def ended(self, message_id: str) -> None:
        self.bus.ended(message_id)

    async def close(self) -> None:
        await self._do(self.bus.close)

    # --- whether anything is on its way -----------------------------------------------------------------------------

    def is_at_work(self) -> bool:
        """Whether a test that waits would see something more."""
        if self._calls:
            return True
        moment = self._made, self._clock.now()
        if moment == self._calm:  # only calls and time set anything going
            return False
        asked: Future[str] = asyncio.run_coroutine_threadsafe(self._look(), thread())
        why = asked.result(10)
        if not why:
            self._calm, self._calm_at = moment, time.monotonic()
        assert time.monotonic() - self._calm_at < PATIENCE_SECONDS, f"it does not come to rest: {why}"
        return bool(why)

    async def _look(self) -> str:
        bus = self.bus
        if bus._closed or not bus._tasks:
            return ""
        now = self._clock.now()
        if bus._ready or self._ticked_at != now or any(until <= now for until in self._clock.sleepers):
            return f"at {now}: {bus._ready}, the broker is at {self._ticked_at}, sleepers {self._clock.sleepers}"
        coming_again = sum(each.turn is None for each in bus._held.values())
        if coming_again > len(self._clock.sleepers) - 1:  # one of the sleepers counts for the bus
            return f"{coming_again} turns come again"
        return self._deliverable() or self._news_waiting()

    def _deliverable(self) -> str:
        """Whether a session has messages that no turn in hand, and none that rests, accounts for."""
        held = {each.session.id for each in self.bus._held.values()}
        shelf = self._node(PLACES.queue).queue.shelf
        active = (each for each in shelf.messages.values() if each.state is State.ACTIVE)
        waiting = [each for each in active if each.envelope.session_id not in held]
        return f"{len(self.bus._sessions)} sessions, held {held}, waiting {waiting}" if waiting else ""

    def _news_waiting(self) -> str:
        messages = self._node(f"{PLACES.topic}/Subscriptions/{PLACES.router}").queue.shelf.messages
        return f"to be routed: {messages}" if messages else ""

    async def _count(self) -> int:
        shelf = self._node(PLACES.queue).queue.shelf
        return sum(each.state is State.ACTIVE for each in shelf.messages.values())

    def _node(self, path: str) -> Any:
        return self.server._namespace.node(path)

    async def _tick_forever(self) -> None:
        """The broker hears of the test's time."""
        while True:
            now = self._clock.now()
            if now != self._ticked_at:
                self.server.tick()
                self._ticked_at = now
            await asyncio.sleep(0.001)

    async def _do(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._calls += 1
        self._made += 1
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), thread()))
        finally:
            self._calls -= 1


@asynccontextmanager
async def bridged_bus(copies: Callable[[Event], Sequence[Event]], **limits: Any) -> AsyncIterator[BridgedBus]:
    """A bus on a server of its own."""
    bus = BridgedBus(copies, limits)
    await bus.open()
    yield bus
    await bus.aclose()
