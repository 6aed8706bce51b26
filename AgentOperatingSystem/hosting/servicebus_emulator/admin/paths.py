"""What an URL of the administration API means."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9_])?")
PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Place:
    """`entity` is a queue or topic; `is_list` asks for what is below, not for the thing itself."""

    entity: str
    subscription: str | None = None
    rule: str | None = None
    is_list: bool = False
    skip: int = 0
    top: int = PAGE_MAX

    @property
    def path(self) -> str:
        """Of the entity or subscription, as the broker knows it."""
        below = f"/subscriptions/{self.subscription}" if self.subscription is not None else ""
        return self.entity.lower() + below.lower()


def parsed(target: str) -> Place:
    """Raises `InvalidRequest` for a path that is none."""
    split = urlsplit(target)
    parts = unquote(split.path).strip("/").split("/")
    small = [part.lower() for part in parts]
    asked = parse_qs(split.query)
    skip, top = _number(asked, "$skip", 0), _number(asked, "$top", PAGE_MAX)
    if "subscriptions" not in small[1:]:
        return Place("/".join(parts), is_list=small[0] == "$resources", skip=skip, top=top)
    place = small.index("subscriptions", 1)
    topic, below = "/".join(parts[:place]), parts[place + 1 :]
    match below:
        case []:
            return Place(topic, is_list=True, skip=skip, top=top)
        case [name]:
            return Place(topic, name)
        case [name, rules] if rules.lower() == "rules":
            return Place(topic, name, is_list=True, skip=skip, top=top)
        case [name, rules, rule] if rules.lower() == "rules" and rule:
            return Place(topic, name, rule)
    raise InvalidRequest(f"nothing is called {split.path!r}")


def _number(asked: dict[str, list[str]], name: str, default: int) -> int:
    text = asked.get(name, [str(default)])[0]
    if not text.isascii() or not text.isdigit():
        raise InvalidRequest(f"{name}: a number, not {text!r}")
    return int(text)


def check_name(name: str, most: int) -> None:
    """Raises `InvalidRequest` for what cannot be an entity's name."""
    if len(name) > most or _NAME.fullmatch(name) is None:
        allowed = "letters, digits, '.', '-', '_', '/', beginning with one of the first two"
        raise InvalidRequest(f"{name!r}: 1 to {most} {allowed}")
