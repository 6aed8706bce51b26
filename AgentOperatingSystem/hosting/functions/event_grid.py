"""Event Grid's deliveries as events: CloudEvents 1.0, and Event Grid's own schema.

Called by `running`. Who may deliver here is the subscription's affair; what it delivers is taken as from outside: it
may name its agent (`aosagent`), and nothing of the system's own.
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from AgentOperatingSystem.errors import InvalidEvent
from AgentOperatingSystem.events import Event, Message, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.cloudevents import STRUCTURED, from_http

KEEPER = "aos.unrouted"
UNREADABLE = "aos.unreadable"
SOURCE = "/eventgrid"
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


class _Delivery(msgspec.Struct, rename="camel"):
    """Event Grid's own schema. Source: Microsoft Learn, "Azure Event Grid event schema"."""

    id: str
    event_type: str
    event_time: datetime
    topic: str = SOURCE
    subject: str = ""
    data: Any = None


def event_of(text: str, tenant: str) -> Event:
    """The event of one delivery. Raises `InvalidEvent`."""
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
        if "specversion" in document:
            return from_http({"content-type": STRUCTURED}, text.encode(), tenant=tenant)[0]
        return _event(msgspec.convert(document, _Delivery), tenant)
    except msgspec.MsgspecError as error:
        raise InvalidEvent(f"Event Grid: {error}") from None


def aside(text: str, tenant: str, id: str, reason: str) -> Message:
    """A message that goes into the quarantine in place of a delivery that can never be accepted."""
    agent = AgentId(KEEPER, "", tenant)
    event = Event(type=UNREADABLE, source=SOURCE, id=id, agent=agent, tenant=tenant, data={"body": text})
    return msgspec.structs.replace(event_message(event), aside=f"an event of Event Grid was not accepted: {reason}")


def _event(delivery: _Delivery, tenant: str) -> Event:
    return Event(
        id=_ascii(delivery.id),
        source=_ascii(delivery.topic),
        type=_ascii(delivery.event_type),
        subject=_ascii(delivery.subject),
        time=delivery.event_time.timestamp(),
        data=delivery.data,
        tenant=tenant,
    )


def _ascii(text: str) -> str:
    """Names of blobs may hold any character; a URL's escapes say the same in ASCII."""
    return text if text.isascii() else quote(text, safe=_PRINTABLE)
