"""From an event to the answer that its sender gets: accepted with the address of its outcome, or waited for.

Fed by the routes for events, CloudEvents and webhooks; hands the event to the mailroom.
"""

import math
from urllib.parse import unquote_plus

from starlette.types import Scope, Send

from AgentOperatingSystem.api.answers import send_json
from AgentOperatingSystem.api.callers import signed
from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.views import accepted_view, outcome_view
from AgentOperatingSystem.auth.principals import Principal
from AgentOperatingSystem.errors import AgentTerminated, InvalidInput
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import Status

WAIT_SECONDS_MAX = 300.0


def query(scope: Scope) -> dict[str, str]:
    """The query's parameters. Raises `InvalidInput` where one is given twice."""
    found: dict[str, str] = {}
    if not scope["query_string"]:
        return found
    text = scope["query_string"].decode("latin-1")
    is_plain = "%" not in text and "+" not in text
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if not is_plain:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in found:
            raise InvalidInput(f"the parameter {name[:80]!r} of the query is given twice")
        found[name] = value
    return found


def wait_seconds(parameters: dict[str, str]) -> float:
    """How long the sender waits for the result; 0 where it does not. Raises `InvalidInput`."""
    text = parameters.get("wait", "")
    try:
        seconds = float(text) if text else 0.0
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= WAIT_SECONDS_MAX:  # not true of NaN either
        raise InvalidInput(f"wait={text[:80]!r}: give a number of seconds from 0 to {WAIT_SECONDS_MAX:g}")
    return seconds


async def take_in(door: Door, event: Event, seconds: float, send: Send, caller: Principal) -> None:
    """Accepts an event of a caller and answers 202, or 200 with its outcome where it ended within `seconds`.

    Raises what `Mailroom.process` raises, `AgentTerminated` and `Forbidden`.
    """
    mailroom = door.aos.mailroom
    event = addressed(door, event, caller)
    assert event.agent is not None
    if seconds:
        row = await mailroom.process(event, seconds)
        if row is not None:
            if row.status is Status.CANCELLED and await door.is_terminated(event.agent):
                raise AgentTerminated(f"{event.agent} was terminated; it accepts nothing more")
            await send_json(send, outcome_view(row))
            return
    else:
        event, _ = await mailroom.accept(event)
    accepted = accepted_view(event)
    await send_json(send, accepted, 202, accepted.outcome)


def addressed(door: Door, event: Event, caller: Principal) -> Event:
    """The event with who is behind it, and with its recipient, chosen by the routes where it names none.

    Raises `Forbidden`.
    """
    event = signed(event, caller)
    if event.agent is None:
        event = door.aos.mailroom.admit(event)
    else:
        door.check_recipient(event.agent)
    if event.reply_to is not None:
        door.check_writable(event.reply_to)
    return event
