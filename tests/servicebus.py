"""A local Service Bus with a clock that tests move, and the vendor's own client against it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

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

SETTINGS = NamespaceSettings(
    queues=(
        QueueSettings(name="plain"),
        QueueSettings(name="mailbox", holding=Holding(requires_session=True)),
        QueueSettings(name="short", holding=Holding(time_to_live_seconds=30.0, dead_letter_on_expiry=True)),
        QueueSettings(name="once", entrance=Entrance(duplicate_window_seconds=20.0)),
        QueueSettings(name="relay", holding=Holding(forward_to="plain")),
        QueueSettings(name="failing", holding=Holding(forward_dead_letters_to="plain", max_delivery_count=1)),
    ),
    topics=(
        TopicSettings(
            name="events",
            subscriptions=(
                SubscriptionSettings(name="all"),
                SubscriptionSettings(
                    name="orders",
                    rules=(RuleSettings(filter=CorrelationFilter(system={"subject": "order"}, application={"n": 1})),),
                ),
                SubscriptionSettings(
                    name="dear",
                    rules=(
                        RuleSettings(
                            filter=SqlFilter(expression="price > 100 AND sys.Label LIKE 'ord%'"),
                            action="SET seen = 'yes'; SET sys.Label = 'dear'; REMOVE n",
                        ),
                    ),
                ),
            ),
        ),
    ),
    limits=Limits(entity_bytes=1_000_000),
)


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

    async def sender(self, name: str) -> ServiceBusSender:
        topic = name == "events"
        made = self.client.get_topic_sender(name) if topic else self.client.get_queue_sender(name)
        return await self._entered(made)

    async def receiver(self, name: str, **more: Any) -> ServiceBusReceiver:
        more = {"socket_timeout": 0.02, **more}
        if "/" in name:
            topic, _, subscription = name.partition("/")
            return await self._entered(self.client.get_subscription_receiver(topic, subscription, **more))
        return await self._entered(self.client.get_queue_receiver(name, **more))

    async def later(self, seconds: float) -> None:
        """Moves the broker's clock on; the client's stays."""
        self._clock.ahead_seconds += seconds
        self.bus.tick()
        await asyncio.sleep(0.05)

    async def _entered(self, made: Any) -> Any:
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
