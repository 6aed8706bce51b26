"""Who an event is for, where it does not say: declared routes, and subscriptions to topics. Pure.

A route sends an event without a recipient to one agent (the first that matches); a subscription copies a publication
to its agent. Both choose the instance by a key template such as `{subject}` or `{data.repository.full_name}`.
"""

import re
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput
from AgentOperatingSystem.events import Event, matches, pattern
from AgentOperatingSystem.ids import AgentId

_FIELD = re.compile(r"\{([a-z]+(?:\.[^{}]+)?)\}")
_replace = msgspec.structs.replace


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Events that match all given patterns go to `agent`, instance `key`."""

    agent: str
    type: str = "#"
    source: str = "*"
    """With `*` for any characters; sources are URIs, not dotted names."""
    subject: str = "*"
    key: str = ""

    def __post_init__(self) -> None:
        pattern(self.type)
        AgentId(self.agent)

    def accepts(self, event: Event) -> bool:
        """Whether the event is this route's."""
        return (
            matches(self.type, event.type) and _glob(self.source, event.source) and _glob(self.subject, event.subject)
        )


class Subscription(msgspec.Struct, frozen=True):
    """Publications whose topic matches `pattern` are copied to `agent`, instance `key`."""

    pattern: str
    agent: str
    key: str = ""


def parse_subscription(text: str, agent: str) -> Subscription:
    """Reads `pattern` or `pattern -> key template`. Raises `InvalidTopic`."""
    topic, _, key = text.partition("->")
    pattern(topic.strip())
    return Subscription(topic.strip(), agent, key.strip())


def choose(routes: list[Route], event: Event) -> Event | None:
    """The event, addressed by the first route that accepts it and whose key can be filled; None where there is none."""
    for route in routes:
        if route.accepts(event):
            return event.to(AgentId(route.agent, fill(route.key, event), event.tenant))
    return None


def copies(subscriptions: list[Subscription], publication: Event) -> list[Event]:
    """One copy of a publication per distinct one of its subscribers, with ids of their own that are the same at every
    try.

    The sender never hears itself. Credits are shared among the copies.
    """
    recipients: dict[AgentId, None] = {}
    for subscription in subscriptions:
        agent = AgentId(subscription.agent, fill(subscription.key, publication), publication.tenant)
        if publication.source != f"/agents/{agent}":
            recipients[agent] = None
    shares = share_credits(publication.credits, len(recipients))
    return [_replace(publication.to(agent), credits=share) for agent, share in zip(recipients, shares, strict=True)]


def share_credits(credits: int, parts: int) -> list[int]:
    """Splits what is left of an event's credits among its outputs, each of which costs one; -1 (none yet) stays."""
    if credits < 0 or parts == 0:
        return [-1] * parts
    left = max(0, credits - parts)
    return [left // parts + (1 if place < left % parts else 0) for place in range(parts)]


def fill(template: str, event: Event) -> str:
    """The template with `{subject}`, `{type}`, `{source}`, `{id}`, `{topic}` and `{data.a.b}` filled; what is missing
    is `unknown`.
    """
    if "{" not in template:
        return template
    return _FIELD.sub(lambda found: _value(found[1], event), template)


def _value(path: str, event: Event) -> str:
    first, *rest = path.split(".")
    value: Any = getattr(event, first, None) if first in ("subject", "type", "source", "id", "topic", "data") else None
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return str(value) if value not in (None, "") else "unknown"


def _glob(text: str, value: str) -> bool:
    if text == "*":
        return True
    return re.fullmatch(".*".join(re.escape(part) for part in text.split("*")), value, re.DOTALL) is not None


def check_template(template: str) -> str:
    """Raises `ConfigurationError` where a key template names a field that no event has."""
    for field in _FIELD.findall(template):
        if field.split(".")[0] not in ("subject", "type", "source", "id", "topic", "data"):
            raise ConfigurationError(f"key template {template!r}: unknown field {field!r}")
    return template


def unrouted(event: Event) -> Event:
    """The event, addressed to the agent that keeps what no route matches."""
    if event.agent is not None:
        raise InvalidInput(f"event {event.id} has a recipient")
    return event.to(AgentId("aos.unrouted", "", event.tenant))
