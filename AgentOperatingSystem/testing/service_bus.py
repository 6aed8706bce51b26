"""A pytest fixture: a Service Bus of the test's own, in memory, that the vendor's SDK talks to.

It runs in a thread with an event loop of its own, so that synchronous and asynchronous tests use it alike. The broker
(`hosting.servicebus_emulator`) is imported when the first test asks for it.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self, TypeVar

import pytest

from AgentOperatingSystem.clock import SystemClock

if TYPE_CHECKING:
    from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus

Result = TypeVar("Result")
_START_SECONDS = 30.0


class ServiceBusOfATest:
    """A running broker, without keys: every client may do everything. Made by the fixture `local_service_bus`."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0
        self._clock = SystemClock()
        self._bus: LocalServiceBus | None = None
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread

    @property
    def connection_string(self) -> str:
        """For `ServiceBusClient.from_connection_string`."""
        return self._running.connection_string()

    @property
    def admin_url(self) -> str:
        """Where the administration API and `/health` are, over plain HTTP."""
        return self._running.url()

    def queue(
        self,
        name: str,
        *,
        sessions: bool = False,
        lock_seconds: float = 60.0,
        max_delivery_count: int = 10,
        time_to_live_seconds: float = 3600.0,
        duplicate_window_seconds: float | None = None,
        dead_letter_on_expiry: bool = False,
        forward_to: str | None = None,
    ) -> None:
        """Makes a queue. Raises `EntityExists` (of the emulator) where there is one of that name."""
        from AgentOperatingSystem.hosting.servicebus_emulator.settings import Entrance, Holding, QueueSettings

        holding = Holding(
            requires_session=sessions,
            lock_seconds=lock_seconds,
            max_delivery_count=max_delivery_count,
            time_to_live_seconds=time_to_live_seconds,
            dead_letter_on_expiry=dead_letter_on_expiry,
            forward_to=forward_to,
        )
        entrance = Entrance(duplicate_window_seconds=duplicate_window_seconds)
        self._call(lambda: self._running.declare(QueueSettings(name=name, holding=holding, entrance=entrance)))

    def topic(self, name: str, **subscriptions: str | None) -> None:
        """Makes a topic with subscriptions, each with its SQL filter; None takes everything. Raises `EntityExists`,
        and `InvalidRequest` for a filter that cannot be read."""
        from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
            EVERYTHING,
            RuleSettings,
            SqlFilter,
            SubscriptionSettings,
            TopicSettings,
        )

        made = [
            SubscriptionSettings(
                name=each, rules=(RuleSettings(filter=SqlFilter(expression=sql) if sql is not None else EVERYTHING),)
            )
            for each, sql in subscriptions.items()
        ]
        self._call(lambda: self._running.declare(TopicSettings(name=name, subscriptions=tuple(made))))

    def later(self, seconds: float) -> None:
        """Moves the broker's clock on: locks, schedules and times to live end as if that time had gone by."""

        def move() -> None:
            self._ahead_seconds += seconds
            self._running.tick()

        self._call(move)

    @property
    def _running(self) -> "LocalServiceBus":
        if self._bus is None:
            raise RuntimeError("the local Service Bus does not run: it does while its test runs")
        return self._bus

    def _now(self) -> float:
        return self._clock.now() + self._ahead_seconds

    def _call(self, work: Callable[[], Result]) -> Result:
        async def there() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(_START_SECONDS)

    def __enter__(self) -> Self:
        from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
        from AgentOperatingSystem.hosting.servicebus_emulator.settings import NamespaceSettings

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local-service-bus", daemon=True)
        self._thread.start()
        self._bus = self._call(lambda: LocalServiceBus(NamespaceSettings(), now_seconds=self._now))
        asyncio.run_coroutine_threadsafe(self._bus.start(admin_port=0), self._loop).result(_START_SECONDS)
        return self

    def __exit__(self, *error: object) -> None:
        bus, self._bus = self._running, None
        asyncio.run_coroutine_threadsafe(bus.stop(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()


@pytest.fixture
def local_service_bus() -> Iterator[ServiceBusOfATest]:
    """A Service Bus of this test alone: `from AgentOperatingSystem.testing import local_service_bus` in conftest.py."""
    with ServiceBusOfATest() as bus:
        yield bus
