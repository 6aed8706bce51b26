"""Events as they travel on Service Bus: CloudEvents in binary and structured mode, and plain messages of others. Pure.

`mail` and `publications` ask here. In binary mode every attribute is an application property `cloudEvents:name`
(`cloudEvents_name` is read too), `datacontenttype` is the message's content type, and the body is the data: CloudEvents
AMQP protocol binding 1.0.3, section 3.1. A plain message needs nothing of that: its body is the data, and these say the
rest, where they are there:

    MessageId              id
    application properties type, source, subject, conversation, correlation, priority
    Label                  type, where no property says it
    CorrelationId          correlation, likewise
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import InvalidEvent, InvalidInput
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.messaging.cloudevents import BATCH, JSON, STRUCTURED, from_http, to_structured
from AgentOperatingSystem.messaging.servicebus.records import Received, Scalar

PREFIX: Final = "cloudEvents:"
_PREFIXES: Final = (PREFIX, "cloudEvents_")
PLAIN_TYPE: Final = "aos.message"
_PLAIN_TEXTS: Final = ("type", "source", "subject", "conversation", "correlation")
_replace = msgspec.structs.replace


def event_of(received: Received, place: str, tenant: str) -> Event:
    """The event that a message carries; `place` is the entity through which it came.

    Who may send to the entity is trusted: tenant, hops and credits are taken as they are. Raises `InvalidEvent`, and
    says what is wrong.
    """
    media = received.content_type.partition(";")[0].strip().lower()
    if media == BATCH:
        raise InvalidEvent("a batch of CloudEvents in one message: send one message per event")
    binary = _attributes(received.application_properties)
    if media == STRUCTURED:
        event = _cloud(received.body, tenant)
    elif binary:
        event = _cloud(_document(binary, received), tenant)
    else:
        event = _plain(received, place, tenant)
    if event.time or event.topic:  # what this system publishes says all that is to be said
        return event
    return _replace(event, time=received.enqueued_at)


def properties_of(event: Event) -> tuple[dict[str, Scalar], bytes]:
    """The application properties and the body of an event in binary mode. Raises `InvalidEvent`."""
    document = msgspec.json.decode(to_structured(event), type=dict[str, Any])
    data = document.pop("data", None)
    document.pop("datacontenttype", None)
    return {PREFIX + name: value for name, value in document.items()}, encode(data) if data is not None else b""


def text_of(value: Any) -> Any:
    """A property's name or value as Python has it: AMQP's strings may come as bytes."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray | memoryview) else value


# --- inside -----------------------------------------------------------------------------------------------------


def _cloud(document: bytes, tenant: str) -> Event:
    return from_http({"content-type": STRUCTURED}, document, tenant=tenant, trusted=True)[0]


def _attributes(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): _written(value)
        for name, value in properties.items()
        for prefix in _PREFIXES
        if name.startswith(prefix)
    }


def _written(value: Any) -> Any:
    """An attribute's value as JSON has it."""
    return iso(value.replace(tzinfo=value.tzinfo or UTC).timestamp()) if isinstance(value, datetime) else value


def _document(attributes: dict[str, Any], received: Received) -> bytes:
    """Binary mode as one structured document, so that both are read by the same rules."""
    body = base64.b64encode(received.body).decode()
    return encode(attributes | {"datacontenttype": received.content_type or JSON, "data_base64": body})


def _plain(received: Received, place: str, tenant: str) -> Event:
    properties = received.application_properties
    said = {name: str(properties[name]) for name in _PLAIN_TEXTS if properties.get(name)}
    fields: dict[str, Any] = {"type": received.subject or PLAIN_TYPE, "source": f"/servicebus/{place}"}
    fields |= {"correlation": received.correlation_id} | said
    try:
        return Event(
            **fields,
            id=received.message_id or f"sequence-{received.sequence_number}",
            priority=int(properties.get("priority", 0)),
            tenant=tenant,
            data=_data(received),
        )
    except (InvalidInput, ValueError, RecursionError) as error:
        raise InvalidEvent(f"plain message: {error}") from None


def _data(received: Received) -> Any:
    """JSON where it says so, or is: else text."""
    if not received.body:
        return None
    media = received.content_type.partition(";")[0].strip().lower()
    if media.startswith("text/"):
        return received.body.decode()
    if media and not media.endswith("json"):
        raise InvalidEvent(f"data of content type {media[:80]!r}: an event's data is JSON or text")
    try:
        return msgspec.json.decode(received.body)
    except msgspec.DecodeError:
        if media:
            raise
        return received.body.decode()
