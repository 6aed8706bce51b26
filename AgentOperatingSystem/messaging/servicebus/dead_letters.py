"""The broker's dead letters: each becomes a row in its agent's quarantine, with the broker's reason. Pure.

A message gets there when it was handed out too often (the store was out of reach all that time, or hosts died), or when
it lay longer than its time to live. Once its row is on the way, as an ordinary message of the mailbox that is to be put
aside, the dead letter is consumed; redriving the row is what resubmits it. An event that was applied meanwhile makes
no row: the agent's dedupe mark is there already.
"""

from typing import Final

import msgspec

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.events import Kind, Message, event_message
from AgentOperatingSystem.messaging.servicebus.mail import mail_of, message_of, unreadable
from AgentOperatingSystem.messaging.servicebus.publications import read
from AgentOperatingSystem.messaging.servicebus.records import Outgoing, Received, keeper

BURIED_PROPERTY: Final = "aosburied"
"""How often a message became a dead letter."""
PAUSE_SECONDS: Final = 60.0
"""What becomes a dead letter again and again comes back later and later: this long, doubled, at most an hour."""
PAUSE_SECONDS_MAX: Final = 3600.0
_replace = msgspec.structs.replace


def exhumed(received: Received, place: str, now: float) -> Outgoing:
    """What goes to the mailbox queue in place of a dead letter of it: a bell as it was, an event to be put aside."""
    message = message_of(received, place)
    if message.kind is not Kind.DOORBELL and not message.aside:
        message = _replace(message, aside=why(received, place))
    return _again(message, received, now)


def exhumed_publication(received: Received, place: str, now: float) -> Outgoing:
    """What goes to the mailbox queue in place of a dead letter of the router's subscription."""
    try:
        event = read(received, place)
        message = _replace(event_message(event.to(keeper(event.tenant))), aside=why(received, place))
    except (AOSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = unreadable(_replace(received, session_id=""), place, str(error))
    return _again(message, received, now)


def why(received: Received, place: str) -> str:
    """The reason as the quarantine shows it."""
    reason = received.dead_letter_reason or "no reason given"
    description = f": {received.dead_letter_description}" if received.dead_letter_description else ""
    return f"dead-lettered by {place}: {reason}{description}"


def _again(message: Message, received: Received, now: float) -> Outgoing:
    """With an id of its own, so that duplicate detection does not swallow it."""
    before = int(received.application_properties.get(BURIED_PROPERTY, 0))
    pause_seconds = min(PAUSE_SECONDS * 2.0 ** (before - 1), PAUSE_SECONDS_MAX) if before else 0.0
    outgoing = mail_of(message, now)
    return _replace(
        outgoing,
        message_id=f"{message.id}!{received.sequence_number}",
        application_properties=outgoing.application_properties | {BURIED_PROPERTY: before + 1},
        due=max(outgoing.due, now + pause_seconds) if pause_seconds else outgoing.due,
    )
