"""When a team stops: frozen conditions that combine with `|` (either) and `&` (both).

    until = text("APPROVED") | messages(12) | timeout(60)

`AgentTeam` takes them; `autogen.py` turns each into AutoGen's own, anew for every team that is built, so that no
condition remembers another team's run. The reason that a team gives for its stop is AutoGen's.
"""

from typing import Any, Literal

import msgspec

Kind = Literal["text", "source", "messages", "tokens", "timeout", "handoff", "text_message", "either", "both"]


class Condition(msgspec.Struct, frozen=True):
    """One stopping criterion, or several combined. Made by the functions below."""

    kind: Kind
    value: Any = None
    parts: tuple["Condition", ...] = ()

    def __or__(self, other: "Condition") -> "Condition":
        return Condition("either", parts=(self, other))

    def __and__(self, other: "Condition") -> "Condition":
        return Condition("both", parts=(self, other))


def text(said: str) -> Condition:
    """A message has `said` in it."""
    return Condition("text", said)


def source(*names: str) -> Condition:
    """One of these members (AutoGen names) has spoken."""
    return Condition("source", names)


def messages(count_max: int) -> Condition:
    """So many messages were exchanged for this event, the event's own included."""
    return Condition("messages", count_max)


def tokens(total_max: int) -> Condition:
    """So many tokens were used for this event, as far as the providers say."""
    return Condition("tokens", total_max)


def timeout(seconds: float) -> Condition:
    """So much time has passed since the event; looked at after each message."""
    return Condition("timeout", seconds)


def handoff(target: str = "user") -> Condition:
    """Somebody hands over to `target`."""
    return Condition("handoff", target)


def text_message(source: str | None = None) -> Condition:
    """A plain text (not a tool's summary) was said, by `source` where one is given."""
    return Condition("text_message", source)
