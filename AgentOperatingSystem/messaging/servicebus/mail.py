"""The mailbox queue: a message in and out, and the turn that received messages are. Pure.

Whoever receives, a session of the bus or the Functions host's trigger, asks `turn_of`; whoever sends asks `mail_of`. A
message that nobody can read is neither lost nor tried for ever: it becomes an event of type `aos.unreadable` that goes
into its agent's quarantine, with the reason, at its first turn.
"""

import base64
from collections.abc import Sequence

import msgspec

from AgentOperatingSystem.errors import AOSError, InvalidEvent
from AgentOperatingSystem.events import Event, Kind, Message, encode, event_message, fingerprint
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.servicebus.envelopes import event_of
from AgentOperatingSystem.messaging.servicebus.records import (
    ARM_PROPERTY,
    ARM_SECONDS_MAX,
    BLOB_PROPERTY,
    MESSAGE_TYPE,
    UNREADABLE,
    Outgoing,
    Places,
    Received,
    agent_of,
    keeper,
)

_message = msgspec.json.Decoder(Message)
_replace = msgspec.structs.replace


def mail_of(message: Message, now: float, *, arm: int = 0, arm_seconds: float = ARM_SECONDS_MAX) -> Outgoing:
    """What carries a message to its agent's session. `arm` says how often it was scheduled on its way already.

    Raises `InvalidEvent` for a message without a recipient.
    """
    if message.agent is None:
        raise InvalidEvent(f"message {message.id} has no recipient")
    due = min(message.due, now + arm_seconds) if message.due > now else 0.0
    properties: dict[str, str | int | float | bool] = {"kind": str(message.kind)}
    if message.event is not None:
        properties |= {"type": message.event.type, "source": message.event.source, "tenant": message.event.tenant}
    return Outgoing(
        body=encode(message),
        message_id=f"{message.id}~{arm}" if arm else message.id,
        session_id=message.agent.session,
        content_type=MESSAGE_TYPE,
        subject=message.event.type if message.event is not None else str(message.kind),
        application_properties=properties | ({ARM_PROPERTY: arm} if arm else {}),
        due=due,
    )


def turn_of(received: Sequence[Received], place: str = Places().queue) -> Turn:
    """The turn of one session's messages, in their order. Bodies that lie in a blob are to be fetched before
    (`claims.redeemed`); messages that come too early are in it too (`early`).

    Raises `InvalidEvent` only where there is no message at all. `deliveries` follows from the first one.
    """
    if not received:
        raise InvalidEvent("a turn needs at least one message")
    messages = tuple(message_of(each, place) for each in received)
    agent = next((each.agent for each in messages if each.agent is not None and not each.aside), messages[0].agent)
    assert agent is not None
    messages = tuple(each if each.agent == agent else _moved(each, agent) for each in messages)
    return Turn(agent, messages, tuple(each.id for each in messages), received[0].delivery_count + 1)


def message_of(received: Received, place: str = Places().queue) -> Message:
    """The message that was received; one that is to be put aside where nobody can read it."""
    try:
        if BLOB_PROPERTY in received.application_properties and not received.body:
            raise InvalidEvent(f"its body, blob {received.application_properties[BLOB_PROPERTY]!r}, is gone")
        media = received.content_type.partition(";")[0].strip().lower()
        return _own(received) if media == MESSAGE_TYPE else _foreign(received, place)
    except (AOSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return unreadable(received, place, str(error))


def early(turn: Turn, now: float) -> bool:
    """Whether something in the turn was armed on its way to a later time."""
    return any(message.due > now for message in turn.messages)


def arm_of(received: Received) -> int:
    """How often the message was scheduled on its way already."""
    return int(received.application_properties.get(ARM_PROPERTY, 0))


def unreadable(received: Received, place: str, reason: str, tenant: str = DEFAULT_TENANT) -> Message:
    """A message that goes into the quarantine in place of one that nobody can read."""
    agent = agent_of(received.session_id) or keeper(tenant)
    event = Event(
        type=UNREADABLE,
        source=f"/servicebus/{place}",
        id=received.message_id or f"sequence-{received.sequence_number}",
        time=received.enqueued_at,
        agent=agent,
        tenant=agent.tenant,
        data=shown(received),
    )
    return _replace(event_message(event), aside=f"message {event.id!r} of {place} cannot be read: {reason}")


def shown(received: Received) -> dict[str, object]:
    """A message as a person looks at it."""
    try:
        body: dict[str, object] = {"body": received.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(received.body).decode()}
    return body | {
        "content_type": received.content_type,
        "subject": received.subject,
        "session_id": received.session_id,
        "properties": {name: _plain(value) for name, value in received.application_properties.items()},
    }


# --- inside -----------------------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _own(received: Received) -> Message:
    message = _message.decode(received.body)
    if message.agent is None or message.kind is Kind.PUBLICATION:
        raise InvalidEvent("a message of this system without a recipient")
    _check_session(message.agent, received)
    return message


def _foreign(received: Received, place: str) -> Message:
    agent = agent_of(received.session_id)
    event = event_of(received, place, agent.tenant if agent else DEFAULT_TENANT)
    if event.agent is None and agent is None:
        raise InvalidEvent(
            f"session id {received.session_id[:80]!r} is no agent's: it reads 'tenant|name/key', such as"
            " 'default|ceo/'; where that is longer than 128 characters, say the agent in 'cloudEvents:aosagent' too"
        )
    event = event if event.agent is not None else event.to(agent or keeper())
    assert event.agent is not None
    _check_session(event.agent, received)
    return event_message(event, fingerprint(event))


def _check_session(agent: AgentId, received: Received) -> None:
    """One agent has one session: two would be two turns at a time, and no order between them."""
    if agent.session != received.session_id:
        raise InvalidEvent(f"it is for {agent}, whose session id is {agent.session!r}, not {received.session_id!r}")


def _moved(message: Message, agent: AgentId) -> Message:
    """A message that is to be put aside, among those of the agent whose turn it is in."""
    assert message.event is not None
    return _replace(event_message(message.event.to(agent)), aside=message.aside)
