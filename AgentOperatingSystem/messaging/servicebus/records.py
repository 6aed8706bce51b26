"""What is received from Service Bus and sent to it, neutral of any SDK, and the names of the entities.

Filled by `servicebus_manager` and by hosts that are pushed to (Azure Functions); read by everything in this package.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from AgentOperatingSystem.errors import InvalidAgentId
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId

MESSAGE_TYPE: Final = "application/vnd.aos.message+json"
"""The content type of a mailbox message that this system sent itself: the record `Message` as JSON."""
BLOB_PROPERTY: Final = "aosblob"
"""Names the blob that holds the body, where the body was too large for the broker."""
ARM_PROPERTY: Final = "aosarm"
"""How often a message was scheduled again on its way to a due time beyond the broker's reach."""
UNREADABLE: Final = "aos.unreadable"
"""The type of the event that stands for a message which nobody can read."""
KEEPER: Final = "aos.unrouted"
"""The agent that keeps what nobody can be given (`orchestration.routes.UNROUTED`)."""
ARM_SECONDS_MAX: Final = 7 * 86_400.0
"""How far ahead a message is scheduled at most; what is due later is scheduled again then."""
Scalar = str | int | float | bool


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it was received."""

    body: bytes
    message_id: str = ""
    session_id: str = ""
    content_type: str = ""
    subject: str = ""
    """The label."""
    correlation_id: str = ""
    application_properties: Mapping[str, Any] = {}
    delivery_count: int = 0
    """How often it was handed out before: AMQP's header, 0 at first. Azure Functions counts from 1."""
    sequence_number: int = 0
    enqueued_at: float = 0.0
    """UTC seconds when the broker took it; 0 means not said."""
    dead_letter_reason: str = ""
    dead_letter_description: str = ""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message that is to be sent."""

    body: bytes
    message_id: str
    session_id: str = ""
    content_type: str = ""
    subject: str = ""
    correlation_id: str = ""
    application_properties: dict[str, Scalar] = {}
    due: float = 0.0
    """UTC seconds at which the broker is to enqueue it; 0 means at once."""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the entities."""

    queue: str = "aos-mailbox"
    """The session queue of all agents' mailboxes."""
    topic: str = "aos-events"
    """Where publications go, and where anybody may publish."""
    router: str = "aos-router"
    """The subscription whose messages are copied to the subscribers' mailboxes."""
    log: str = ""
    """A subscription that nobody receives from: publications are read back from it until they expire; empty for
    none."""


def keeper(tenant: str = DEFAULT_TENANT) -> AgentId:
    """Who keeps what nobody can be given."""
    return AgentId(KEEPER, "", tenant)


def agent_of(session_id: str) -> AgentId | None:
    """The agent whose session this is; None where it is none, or where the address is hashed."""
    try:
        agent = AgentId.from_partition(session_id)
    except InvalidAgentId:
        return None
    return agent if agent.session == session_id else None
