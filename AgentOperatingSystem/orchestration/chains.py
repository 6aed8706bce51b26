"""Chains of causes: what one event sends shares the credits and hops that are left of its chain.

`work.py` makes messages of what a handler collected through here; what is over a limit is refused before the commit.
"""

from collections.abc import Sequence

import msgspec

from AgentOperatingSystem.agents.context import TOO_LONG, Limits
from AgentOperatingSystem.agents.timers import Timer
from AgentOperatingSystem.errors import Quarantine
from AgentOperatingSystem.events import Event, Message, event_message, publication_message
from AgentOperatingSystem.orchestration.routes import share_credits


def messages_of(cause: Event, events: list[Event], timers: Sequence[Timer], limits: Limits) -> tuple[Message, ...]:
    """Messages of what was sent, with the cause's credits shared among them and the `timers` that are hurried.

    Raises `Quarantine` where credits or hops do not suffice.
    """
    if not events and not timers:
        return ()
    credits = cause.credits if cause.credits >= 0 else limits.credits_max
    ticks = [timer for timer in timers if not timer.request] if timers else []
    count = len(events) + len(ticks)
    if count > credits:
        raise Quarantine(f"credits exhausted: {count} events to send, {credits} credits left of the chain")
    shares = share_credits(credits, count)
    for output, share in zip([*events, *ticks], shares, strict=True):
        msgspec.structs.force_setattr(output, "credits", share)  # it has not left yet: nobody else holds it
    if timers:
        _chain(cause, events, timers, limits.hops_max)
    return tuple([_message(event) for event in events])


def _chain(cause: Event, events: list[Event], hurried: Sequence[Timer], hops_max: int) -> None:
    """A timer is a hop, and one that comes again and again half of all hops, so that its runs cannot set more such
    timers. Of a request and its time limit one alone is handled, with the same credits.
    """
    requests = {event.correlation: event.credits for event in events}
    for timer in hurried:
        hops = cause.hops + 1 + (hops_max // 2 if timer.cron else 0)
        if hops > hops_max:
            raise Quarantine(TOO_LONG.format(hops_max))
        msgspec.structs.force_setattr(timer, "hops", hops)
        if timer.request:
            msgspec.structs.force_setattr(timer, "credits", requests.get(timer.name, 0))


def _message(event: Event) -> Message:
    return event_message(event) if event.agent is not None else publication_message(event)
