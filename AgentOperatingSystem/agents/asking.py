"""Who waits for whom: answers that are owed, and the chain of asks that a request carries, so that a ring is refused
when it closes (specification row 62).

`context.request` asks here before it collects a request, and so does an application's call that waits inside of a
handler. The chain travels in the envelope (`Event.asks`); nothing of it is kept anywhere else, so a crash loses none.
"""

from collections.abc import Sequence

import msgspec

from AgentOperatingSystem.errors import Deadlock, Quarantine
from AgentOperatingSystem.events import TEXT_LENGTH_MAX, Event, asks_text
from AgentOperatingSystem.ids import AgentId

REPLY = "aos.reply"


class Owed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that an agent owes: plain JSON, to be kept in its state until `context.answer`."""

    event: str
    """The id of the event that asked."""
    to: AgentId | None = None
    """Who gets it; None where nobody asked for one."""
    correlation: str = ""
    conversation: str = ""
    asks: tuple[str, ...] = ()
    """Who waits for it, outermost first, as `Event.asks`."""


def owed_by(event: Event) -> Owed:
    """What the handler of an event owes if it does not answer at once."""
    return Owed(
        event=event.id,
        to=event.reply_to,
        correlation=event.correlation,
        conversation=event.conversation,
        asks=event.asks,
    )


def chain(waiting: Sequence[str], asker: AgentId, recipient: AgentId, *, blocked: bool = False) -> tuple[str, ...]:
    """The asks of a request from `asker` to `recipient`, while those in `waiting` wait for what `asker` owes.

    `blocked`: the asker handles nothing else until it has the answer, so that it cannot even ask itself. Raises
    `Deadlock` and names the ring where the recipient is among those who wait; `Quarantine` where the chain is longer
    than an envelope carries.
    """
    asks = (*waiting, asker.partition)
    if recipient.partition in (asks if blocked else waiting):
        closed = asks[asks.index(recipient.partition) :]
        raise Deadlock([str(AgentId.from_partition(each)) for each in (*closed, recipient.partition)])
    if len(asks_text(asks)) > TEXT_LENGTH_MAX:
        raise Quarantine(f"the chain of asks is longer than {TEXT_LENGTH_MAX} characters: {len(asks)} agents wait")
    return asks
