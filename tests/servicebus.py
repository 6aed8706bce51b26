"""A local Service Bus with a clock that tests move, and the vendor's own client against it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    CorrelationFilter,
    Entrance,
    Holding,
    Limits,
    NamespaceSettings,
    QueueSettings,
    RuleSettings,
    SqlFilter,
    SubscriptionSettings,
    TopicSettings,
)

TESTS_MAX = 25
"""How many tests may share one server, each with entities of its own."""


def _queues(suffix: str) -> tuple[QueueSettings, ...]:
    plain = f"plain{suffix}"
    return (
        QueueSettings(name=plain),
        QueueSettings(name=f"mailbox{suffix}", holding=Holding(requires_session=True)),
        QueueSettings(name=f"short{suffix}", holding=Holding(time_to_live_seconds=30.0, dead_letter_on_expiry=True)),
        QueueSettings(name=f"once{suffix}", entrance=Entrance(duplicate_window_seconds=20.0)),
        QueueSettings(name=f"relay{suffix}", holding=Holding(forward_to=plain)),
        QueueSettings(name=f"failing{suffix}", holding=Holding(forward_dead_letters_to=plain, max_delivery_count=1)),
    )


_ORDERS = RuleSettings(filter=CorrelationFilter(system={"subject": "order"}, application={"n": 1}))
_DEAR = RuleSettings(
    filter=SqlFilter(expression="price > 100 AND sys.Label LIKE 'ord%'"),
    action="SET seen = 'yes'; SET sys.Label = 'dear'; REMOVE n",
)


def _topic(suffix: str) -> TopicSettings:
    return TopicSettings(
        name=f"events{suffix}",
        subscriptions=(
            SubscriptionSettings(name="all"),
            SubscriptionSettings(name="orders", rules=(_ORDERS,)),
            SubscriptionSettings(name="dear", rules=(_DEAR,)),
        ),
    )


SETTINGS = NamespaceSettings(
    queues=tuple(each for number in range(TESTS_MAX) for each in _queues(f"-{number}")),
    topics=tuple(_topic(f"-{number}") for number in range(TESTS_MAX)),
    limits=Limits(entity_bytes=1_000_000),
)


Handler = TypeVar("Handler", ServiceBusSender, ServiceBusReceiver)


class MovingClock:
    """The machine's clock, and as much as a test has moved it on."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_seconds


class Desk:
    """A server, and senders and receivers that are all closed together: each takes the SDK a second."""

    def __init__(self, bus: LocalServiceBus, client: ServiceBusClient, clock: "MovingClock") -> None:
        self.bus = bus
        self.client = client
        self._clock = clock
        self._suffix = "-0"
        self._open: list[Any] = []

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, settings: NamespaceSettings = SETTINGS, data_dir: Path | None = None, **more: Any
    ) -> AsyncIterator[Self]:
        clock = MovingClock()
        bus = LocalServiceBus(settings, now_seconds=clock.now, data_dir=data_dir, **more)
        await bus.start()
        desk = cls(bus, ServiceBusClient.from_connection_string(bus.connection_string(), retry_total=0), clock)
        try:
            yield desk
        finally:
            await asyncio.gather(*(each.close() for each in desk._open), return_exceptions=True)
            await desk.client.close()
            await bus.stop()

    def due_in(self, seconds: float) -> datetime:
        """A moment by the broker's clock."""
        return datetime.fromtimestamp(self._clock.now() + seconds, UTC)

    def renew(self) -> Self:
        """Entities that no test has touched."""
        self._suffix = f"-{int(self._suffix[1:]) + 1}"
        return self

    def name(self, name: str) -> str:
        """What an entity is called now."""
        return name + self._suffix

    async def both(self, name: str, **more: Any) -> tuple[ServiceBusSender, ServiceBusReceiver]:
        """A sender and a receiver, opened at once."""
        return await asyncio.gather(self.sender(name), self.receiver(name, **more))

    async def sender(self, name: str) -> ServiceBusSender:
        place = self.name(name)
        made = self.client.get_topic_sender(place) if name == "events" else self.client.get_queue_sender(place)
        return await self._entered(made)

    async def receiver(self, name: str, **more: Any) -> ServiceBusReceiver:
        more = {"socket_timeout": 0.02, **more}
        if "/" in name:
            topic, _, subscription = name.partition("/")
            return await self._entered(self.client.get_subscription_receiver(self.name(topic), subscription, **more))
        return await self._entered(self.client.get_queue_receiver(self.name(name), **more))

    async def later(self, seconds: float) -> None:
        """Moves the broker's clock on; the client's stays."""
        self._clock.ahead_seconds += seconds
        self.bus.tick()
        await asyncio.sleep(0.05)

    async def _entered(self, made: Handler) -> Handler:
        await made.__aenter__()
        self._open.append(made)
        return made


async def texts(receiver: ServiceBusReceiver, most: int = 10, seconds: float = 0.5) -> list[str]:
    """What is received and completed."""
    found = await received(receiver, most, seconds)
    for each in found:
        await receiver.complete_message(each)
    return [str(each) for each in found]


async def received(
    receiver: ServiceBusReceiver, most: int = 10, seconds: float = 0.5
) -> list[ServiceBusReceivedMessage]:
    """What comes within that time; returns early with the first ones."""
    return list(await receiver.receive_messages(max_message_count=most, max_wait_time=seconds))
