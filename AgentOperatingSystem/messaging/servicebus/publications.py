"""The topic: a publication in and out, and who gets a copy. Pure.

An ordinary consumer of the topic gets CloudEvents in binary mode, and filters by the application properties `type`,
`source`, `tenant`, `subject` and `topic`. The router's subscription is read here too, where others publish as well.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from AgentOperatingSystem.errors import AOSError, InvalidEvent
from AgentOperatingSystem.events import Event, Message, check_topic, event_message, fingerprint
from AgentOperatingSystem.ids import DEFAULT_TENANT
from AgentOperatingSystem.messaging.cloudevents import JSON
from AgentOperatingSystem.messaging.servicebus.envelopes import event_of, properties_of
from AgentOperatingSystem.messaging.servicebus.mail import unreadable
from AgentOperatingSystem.messaging.servicebus.records import Outgoing, Places, Received, Scalar, keeper

Copies = Callable[[Event], Sequence[Event]]
"""Resolves a publication into one event per subscriber."""
Route = Callable[[Event], Event]
"""Addresses an event of others that nobody has subscribed to: by the declared routes, else to who keeps it."""
_SESSION_LENGTH_MAX = 128
_replace = msgspec.structs.replace


def publication_of(message: Message, now: float) -> Outgoing:
    """What carries a publication to the topic. Raises `InvalidEvent`."""
    event = message.event
    if event is None:
        raise InvalidEvent(f"publication {message.id} has no event")
    properties, body = properties_of(event)
    filters: dict[str, Scalar] = {
        "type": event.type,
        "source": event.source,
        "tenant": event.tenant,
        "subject": event.subject,
        "topic": event.topic,
    }
    return Outgoing(
        body=body,
        message_id=message.id,
        session_id=_session(event),
        content_type=JSON,
        subject=event.type,
        correlation_id=event.correlation,
        application_properties=properties | filters,
        due=message.due if message.due > now else 0.0,
    )


def read(received: Received, place: str = Places().topic) -> Event:
    """The event that was published. Raises `InvalidEvent`."""
    tenant: Any = received.application_properties.get("tenant")
    return event_of(received, place, tenant if isinstance(tenant, str) and tenant else DEFAULT_TENANT)


def deliveries_of(
    received: Received, copies: Copies, route: Route | None = None, place: str = Places().topic
) -> list[Message]:
    """One message per recipient of a publication, with ids that are the same at every try.

    What cannot be read goes into the quarantine of the agent that keeps what nobody can be given.
    """
    try:
        event = read(received, place)
        return [_message(copy, event) for copy in recipients(event, copies, route)]
    except (AOSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [unreadable(_replace(received, session_id=""), place, str(error))]


def recipients(event: Event, copies: Copies, route: Route | None = None) -> Sequence[Event]:
    """The event as each of its recipients gets it.

    The one that it names; else the subscribers of its topic; one without a topic is of others: it goes to those who
    subscribed to its type, else where the routes lead.
    """
    if event.agent is not None:
        return [event if event.tenant == event.agent.tenant else event.to(event.agent)]
    if event.topic:
        return copies(event)
    return copies(_under_its_type(event)) or [route(event) if route is not None else event.to(keeper(event.tenant))]


def _under_its_type(event: Event) -> Event:
    try:
        return _replace(event, topic=check_topic(event.type))
    except AOSError:
        return event


def _message(copy: Event, event: Event) -> Message:
    """What others sent may come again with another body; what this system publishes does not."""
    return event_message(copy, "" if event.topic else fingerprint(copy))


def _session(event: Event) -> str:
    """Consumers with sessions get the publications of one source in order."""
    text = f"{event.tenant}|{event.source}"
    return text if len(text) <= _SESSION_LENGTH_MAX else "sha256:" + sha256(text.encode()).hexdigest()
