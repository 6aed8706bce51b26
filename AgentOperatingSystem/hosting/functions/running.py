"""The running system of a worker process, as the triggers use it: what a broker pushes becomes a turn, what comes from
outside an event.

Made by `worker`. Each method returns when the message is to be consumed, and raises where it has to come again.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import (
    AgentTerminated,
    ConfigurationError,
    Forbidden,
    InvalidInput,
    NotFound,
    StoreError,
)
from AgentOperatingSystem.hosting.functions import event_grid
from AgentOperatingSystem.hosting.functions.web import Asgi
from AgentOperatingSystem.messaging.servicebus.bus import ServiceBusBus
from AgentOperatingSystem.messaging.servicebus.records import Received

SYSTEM = "aos."
PATIENCE_SECONDS_MAX = 60.0
"""Below the time for which host.json has the lock renewed."""
_HOPELESS = (AgentTerminated, Forbidden, InvalidInput, NotFound)
"""What an event of outside can never become better of by coming again."""


@dataclass(frozen=True, slots=True)
class Running:
    """The system and its doors."""

    aos: AgentOperatingSystem
    doors: Asgi

    @property
    def bus(self) -> ServiceBusBus:
        """Service Bus. Raises `ConfigurationError` where something else carries messages."""
        if not isinstance(self.aos.bus, ServiceBusBus):
            raise ConfigurationError("this function is for Service Bus, which is not what the configuration names")
        return self.aos.bus

    async def deliver_session(self, messages: Sequence[Any]) -> None:
        """A turn of one agent: messages of one session."""
        received = [received_of(each) for each in messages]
        if not received[0].session_id:  # a guess at whose message it is would put it into a wrong mailbox
            raise ConfigurationError(
                "the host says no session id: an extension bundle from 4.* on does; see extensionBundle in host.json"
            )
        async with patient(self.aos.clock, received[0].delivery_count), self.bus.pushed(received) as turn:
            if turn is not None:
                await self.aos.deliver(turn)

    async def route(self, message: Any) -> None:
        """A publication, for its subscribers' mailboxes."""
        received = received_of(message)
        async with patient(self.aos.clock, received.delivery_count):
            await self.bus.route(received)

    async def exhume(self, message: Any, *, publication: bool = False) -> None:
        """What the broker gave up, for its agent's quarantine."""
        received = received_of(message)
        async with patient(self.aos.clock, received.delivery_count):
            await self.bus.exhume(received, publication=publication)

    async def deliver_letter(self, message: Any) -> None:
        """A turn of one agent: one message of a storage queue."""
        from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus  # loads the vendor's SDK
        from AgentOperatingSystem.messaging.azure.letters import Received as Letter

        bus = self.aos.bus
        if not isinstance(bus, StorageQueueBus):
            raise ConfigurationError("this function is for a storage queue, which is not what the configuration names")
        turn = await bus.pushed(Letter(message.get_body(), message.id or "", message.dequeue_count or 1))
        if turn is not None:
            await self.aos.deliver(turn)

    async def accept_event_grid(self, text: str) -> None:
        """An event of Event Grid. One that can never be accepted goes into the quarantine."""
        tenant = self.aos.config.tenant
        try:
            event = event_grid.event_of(text, tenant)
            if event.agent is not None and event.agent.name.startswith(SYSTEM):
                raise Forbidden(f"{event.agent.name} belongs to the system; nothing can be sent to it from outside")
            await self.aos.accept_event(event)
        except _HOPELESS as error:
            name = sha256(text.encode()).hexdigest()
            await self.aos.parts.bus.send([event_grid.aside(text, tenant, name, str(error))])


@asynccontextmanager
async def patient(clock: Clock, deliveries: int) -> AsyncIterator[None]:
    """Where store or broker cannot be reached, waits before it lets the trigger fail, the longer the more often the
    message came: Service Bus delivers what is abandoned at once, and so an outage would use up its deliveries in
    seconds.
    """
    try:
        yield
    except StoreError:
        await clock.sleep(min(2.0 ** min(deliveries, 10), PATIENCE_SECONDS_MAX))
        raise


def received_of(message: Any) -> Received:
    """What the Functions SDK gives for a message of Service Bus (`azure.functions.ServiceBusMessage`).

    Why the broker gave one up stands in its application properties: the host hands on no more than those.
    """
    properties = message.application_properties or message.user_properties or {}
    return Received(
        body=message.get_body(),
        message_id=message.message_id or "",
        session_id=message.session_id or "",
        content_type=message.content_type or "",
        subject=message.subject or message.label or "",
        correlation_id=message.correlation_id or "",
        application_properties=properties,
        delivery_count=max(0, (message.delivery_count or 1) - 1),
        sequence_number=message.sequence_number or 0,
        enqueued_at=_seconds(message.enqueued_time_utc),
        dead_letter_reason=message.dead_letter_reason or str(properties.get("DeadLetterReason") or ""),
        dead_letter_description=message.dead_letter_error_description
        or str(properties.get("DeadLetterErrorDescription") or ""),
    )


def _seconds(moment: datetime | None) -> float:
    """The host's times are UTC and do not say so."""
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() if moment is not None else 0.0
