"""Who an event is for, where it does not say: declared routes, and subscriptions to topics. Pure.

A route sends an event without a recipient to one agent (the first that matches); a subscription copies a publication
to its agent. Both choose the instance by a key template such as `{subject}` or `{data.repository.full_name}`;
`{subject|none}` says what stands for a field that an event lacks. Without it, a route leaves such an event to the
routes behind it, and a subscription, behind which there is nothing, puts `unknown`.
"""

import re
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, InvalidAgentId, InvalidInput
from AgentOperatingSystem.events import Event, matches, pattern
from AgentOperatingSystem.ids import AgentId

_FIELD = re.compile(r"\{([^{}|]+)(?:\|([^{}|]+))?\}")
UNROUTED = "aos.unrouted"
"""The agent that keeps what nobody can be given."""
_FIELDS = ("data", "id", "source", "subject", "topic", "type")
_replace = msgspec.structs.replace


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Events that match all given patterns, and have the fields that `key` names, go to `agent`, instance `key`.

    Raises `InvalidTopic`, `InvalidAgentId`, `ConfigurationError`.
    """

    agent: str
    type: str = "#"
    source: str = "*"
    """With `*` for any characters; sources are URIs, not dotted names."""
    subject: str = "*"
    key: str = ""

    def __post_init__(self) -> None:
        pattern(self.type)
        AgentId(self.agent)
        check_template(self.key)

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
    """Reads `pattern` or `pattern -> key template`. Raises `InvalidTopic`, `ConfigurationError`."""
    topic, _, key = text.partition("->")
    pattern(topic.strip())
    return Subscription(topic.strip(), agent, check_template(key.strip()))


def choose(routes: list[Route], event: Event) -> Event | None:
    """The event, addressed by the first route that accepts it and whose key can be filled; None where there is none."""
    for route in routes:
        key = fill(route.key, event) if route.accepts(event) else None
        agent = _address(route.agent, key, event.tenant) if key is not None else None
        if agent is not None:
            return event.to(agent)
    return None


def copies(subscriptions: list[Subscription], publication: Event) -> list[Event]:
    """One copy of a publication per distinct one of its subscribers, with ids of their own that are the same at every
    try.

    The sender never hears itself. Credits are shared among the copies. Where a key template gives what can be no
    agent's key, the copy is kept among the unrouted events.
    """
    recipients: dict[AgentId, None] = {}
    for subscription in subscriptions:
        key = fill(subscription.key, publication, missing="unknown") or ""
        agent = _address(subscription.agent, key, publication.tenant) or AgentId(UNROUTED, "", publication.tenant)
        if publication.source != f"/agents/{agent}":
            recipients[agent] = None
    shares = share_credits(publication.credits, len(recipients))
    return [_replace(publication.to(agent), credits=share) for agent, share in zip(recipients, shares, strict=True)]


def _address(agent: str, key: str, tenant: str) -> AgentId | None:
    """The address; None where the key is none, because it is too long or not printable."""
    try:
        return AgentId(agent, key, tenant)
    except InvalidAgentId:
        return None


def share_credits(credits: int, parts: int) -> list[int]:
    """Splits what is left of an event's credits among its outputs, each of which costs one; -1 (none yet) stays."""
    if credits < 0 or parts == 0:
        return [-1] * parts
    left = max(0, credits - parts)
    return [left // parts + (1 if place < left % parts else 0) for place in range(parts)]


def fill(template: str, event: Event, missing: str | None = None) -> str | None:
    """The template with `{subject}`, `{type}`, `{source}`, `{id}`, `{topic}` and `{data.a.b}` filled.

    A field that the event lacks becomes its own default (`{data.a|none}`), else `missing`; None where there is neither.
    """
    if "{" not in template:
        return template
    values = [_value(path, event) or default or missing for path, default in _FIELD.findall(template)]
    if None in values:
        return None
    filled = iter(values)
    return _FIELD.sub(lambda found: next(filled) or "", template)


def _value(path: str, event: Event) -> str:
    """A text or number of the event as text; empty where there is none."""
    first, *rest = path.split(".")
    value: Any = getattr(event, first, None) if first in _FIELDS else None
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int | float) else ""


def _glob(text: str, value: str) -> bool:
    if text == "*":
        return True
    return re.fullmatch(".*".join(re.escape(part) for part in text.split("*")), value, re.DOTALL) is not None


def check_template(template: str) -> str:
    """The key template. Raises `ConfigurationError` where it cannot be read or names a field that no event has."""
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ConfigurationError(
            f"key template {template!r}: write fields as {{subject}}, {{data.a.b}} or {{subject|none}}"
        )
    for path, _ in _FIELD.findall(template):
        first, *rest_of_path = path.split(".")
        if first not in _FIELDS or (rest_of_path and first != "data"):
            raise ConfigurationError(
                f"key template {template!r}: no event has a field {path!r}; use {', '.join(_FIELDS)}"
            )
    return template


def unrouted(event: Event) -> Event:
    """The event, addressed to the agent that keeps what no route matches."""
    if event.agent is not None:
        raise InvalidInput(f"event {event.id} has a recipient")
    return event.to(AgentId(UNROUTED, "", event.tenant))
