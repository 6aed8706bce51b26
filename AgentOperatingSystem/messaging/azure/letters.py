"""What lies in the queue: a message with how often it was in the hands of a host that died. Pure.

`bus` writes letters and reads them; a host that is pushed to (the Functions queue trigger) asks `turn_of`. A letter is
base64, because that is what the Functions host expects of a queue unless it is told otherwise, and because a queue
message is XML. What others put into the queue is read too: a CloudEvent in structured mode, with `aosagent`, or without
where routes are to choose. What nobody can read goes into the quarantine, where a person sees it.
"""

import base64
import binascii
from typing import Final, NamedTuple

import msgspec

from AgentOperatingSystem.errors import AOSError, InvalidEvent
from AgentOperatingSystem.events import Event, Kind, Message, event_message, fingerprint
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId
from AgentOperatingSystem.messaging.cloudevents import STRUCTURED, from_http
from AgentOperatingSystem.messaging.ports import Turn

LETTER_BYTES_MAX: Final = 48 << 10
"""What a queue message of 64 KiB holds as base64. Source: Microsoft Learn, "Put Message"."""
VISIBILITY_SECONDS_MAX: Final = 7 * 86_400
"""How long a queue holds a message back at most; what is due later is held back again then."""
UNREADABLE: Final = "aos.unreadable"
KEEPER: Final = "aos.unrouted"
"""The agent that keeps what nobody can be given."""
_replace = msgspec.structs.replace


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="aos", tag="letter"):
    """The body of a queue message that this system wrote; its tag says so."""

    message: Message | None = None
    blob: str = ""
    """The blob that holds the message, where it was too large."""
    crashes: int = 0
    """How many hosts died with it in a handler's hands."""
    known: int = 0
    """How many times it was handed out and given back in good order."""


class Received(NamedTuple):
    """One queue message as it was received."""

    body: bytes
    """Without base64."""
    id: str = ""
    """The queue's own name for it."""
    deliveries: int = 1
    """How often it was handed out, this time included."""


_TAG: Final = b'{"aos":"letter"'
_letter: Final = msgspec.json.Decoder(Letter)
_message: Final = msgspec.json.Decoder(Message)


def written(letter: Letter) -> str:
    """A letter as the queue takes it."""
    return base64.b64encode(msgspec.json.encode(letter)).decode("ascii")


def unwrapped(text: str) -> bytes:
    """The body of a queue message, whether it is base64 or plain text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def letter_of(received: Received, place: str) -> Letter:
    """What was received; a letter with the reason in place of one that nobody can read. `place` names the queue."""
    try:
        if not received.body.startswith(_TAG):
            return Letter(message=_foreign(received.body))
        letter = _letter.decode(received.body)
        if letter.message is None and not letter.blob:
            raise InvalidEvent("a letter without a message")
        return letter if letter.message is None else _replace(letter, message=_addressed(letter.message))
    except (AOSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Letter(message=unreadable(received, place, str(error)))


def message_in(content: bytes, received: Received, place: str) -> Message:
    """The message that lies in a letter's blob."""
    try:
        return _addressed(_message.decode(content))
    except (AOSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return unreadable(received, place, str(error))


def turn_of(received: Received, place: str, content: bytes | None = None) -> Turn:
    """The turn of one queue message. `content` is that of its letter's blob, where `letter_of` says that there is one.

    A message that is not due yet (`turn.messages[0].due`) is to be sent again with `StorageQueueBus.send`, which holds
    it back for another week at most, and not to be delivered.
    """
    letter = letter_of(received, place)
    message = letter.message
    if message is None:
        gone = f"its body, blob {letter.blob!r}, is gone"
        message = message_in(content, received, place) if content else unreadable(received, place, gone)
    assert message.agent is not None
    return Turn(message.agent, (message,), (message.id,), received.deliveries)


def unreadable(received: Received, place: str, reason: str) -> Message:
    """A message that goes into the quarantine in place of one that nobody can read."""
    agent = AgentId(KEEPER, "", DEFAULT_TENANT)
    shown = {"body_base64": base64.b64encode(received.body).decode("ascii")}
    event = Event(type=UNREADABLE, source=f"/queue/{place}", id=received.id or "unnamed", agent=agent, data=shown)
    return _replace(event_message(event), aside=f"queue message {event.id!r} of {place} cannot be read: {reason}")


def _addressed(message: Message) -> Message:
    if message.agent is None or message.kind is Kind.PUBLICATION:
        raise InvalidEvent("a message of this system without a recipient")
    return message


def _foreign(body: bytes) -> Message:
    """A CloudEvent; whoever may write to the queue is trusted, so it may name its agent and tenant."""
    event = from_http({"content-type": STRUCTURED}, body, tenant=DEFAULT_TENANT, trusted=True)[0]
    addressed = event if event.agent is not None else event.to(AgentId(KEEPER, "", event.tenant))
    return event_message(addressed, fingerprint(addressed))
