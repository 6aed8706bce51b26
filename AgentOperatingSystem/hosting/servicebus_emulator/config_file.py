"""The official emulator's `Config.json`, comments included, as settings.

Keys, defaults and bounds: the schema in github.com/Azure/azure-service-bus-emulator-installer. Called by
`aos servicebus up` and by tests; pure, but for `read`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.durations import seconds_of
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    CorrelationFilter,
    Entrance,
    Holding,
    NamespaceSettings,
    QueueSettings,
    RuleSettings,
    SqlFilter,
    SubscriptionSettings,
    TopicSettings,
)

ENTITIES_MAX, SUBSCRIPTIONS_MAX, RULES_MAX, NAME_LENGTH_MAX = 50, 50, 1000, 260

Section = dict[str, Any]

_NOT_JSON = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_CORRELATION = {
    "ContentType": "content_type",
    "CorrelationId": "correlation_id",
    "Label": "subject",
    "MessageId": "message_id",
    "ReplyTo": "reply_to",
    "ReplyToSessionId": "reply_to_group_id",
    "SessionId": "group_id",
    "To": "to",
}
_HOLDING = (
    "DeadLetteringOnMessageExpiration",
    "DefaultMessageTimeToLive",
    "ForwardDeadLetteredMessagesTo",
    "ForwardTo",
    "LockDuration",
    "MaxDeliveryCount",
    "RequiresSession",
)
_ENTRANCE = ("DuplicateDetectionHistoryTimeWindow", "RequiresDuplicateDetection")


class ConfigProblem(ValueError):
    """The file says something that cannot be; the message names the place."""


def read(path: Path) -> NamespaceSettings:
    """Raises `ConfigProblem` for a file that cannot be read or says something wrong."""
    try:
        return parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigProblem(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigProblem(f"{path}: not UTF-8") from None
    except ConfigProblem as problem:
        raise ConfigProblem(f"{path}: {problem}") from None


def parsed(text: str) -> NamespaceSettings:
    """Raises `ConfigProblem`."""
    try:
        whole = json.loads(_without_comments(text))
    except json.JSONDecodeError as error:
        raise ConfigProblem(f"no JSON: {error.msg} in line {error.lineno}") from None
    user = _section(whole, "UserConfig", "")
    namespaces = _list(user, "Namespaces", "UserConfig", 1)
    if len(namespaces) != 1:
        raise ConfigProblem("UserConfig.Namespaces: exactly one namespace")
    space = namespaces[0]
    queues = _list(space, "Queues", "Namespaces[0]", ENTITIES_MAX)
    topics = _list(space, "Topics", "Namespaces[0]", ENTITIES_MAX)
    return NamespaceSettings(
        queues=tuple(_queue(each, f"Queues[{place}]") for place, each in enumerate(queues)),
        topics=tuple(_topic(each, f"Topics[{place}]") for place, each in enumerate(topics)),
    )


def _without_comments(text: str) -> str:
    return _NOT_JSON.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)


def _queue(section: Section, where: str) -> QueueSettings:
    properties = _properties(section, where, _HOLDING + _ENTRANCE)
    where = f"{where}.Properties"
    return QueueSettings(
        name=_name(section, where), holding=_holding(properties, where), entrance=_entrance(properties, where)
    )


def _topic(section: Section, where: str) -> TopicSettings:
    properties = _properties(section, where, (*_ENTRANCE, "DefaultMessageTimeToLive"))
    subscriptions = _list(section, "Subscriptions", where, SUBSCRIPTIONS_MAX)
    return TopicSettings(
        name=_name(section, where),
        time_to_live_seconds=_seconds(properties, "DefaultMessageTimeToLive", where, 3600.0, 1.0, 3600.0),
        entrance=_entrance(properties, f"{where}.Properties"),
        subscriptions=tuple(
            _subscription(each, f"{where}.Subscriptions[{place}]") for place, each in enumerate(subscriptions)
        ),
    )


def _subscription(section: Section, where: str) -> SubscriptionSettings:
    properties = _properties(section, where, _HOLDING)
    rules = _list(section, "Rules", where, RULES_MAX)
    declared = tuple(_rule(each, f"{where}.Rules[{place}]") for place, each in enumerate(rules))
    return SubscriptionSettings(
        name=_name(section, where),
        holding=_holding(properties, f"{where}.Properties"),
        rules=declared or (RuleSettings(),),
    )


def _rule(section: Section, where: str) -> RuleSettings:
    properties = _properties(section, where, ("FilterType", "CorrelationFilter", "SqlFilter", "Action"))
    where = f"{where}.Properties"
    kinds: dict[object, Callable[[Section, str], CorrelationFilter | SqlFilter]] = {
        "Correlation": _correlation,
        "Sql": _sql,
    }
    kind = properties.get("FilterType")
    if kind not in kinds:
        raise ConfigProblem(f"{where}.FilterType: Correlation or Sql, not {kind!r}")
    action = _section(properties, "Action", where).get("SqlExpression")
    return RuleSettings(name=_name(section, where), filter=kinds[kind](properties, where), action=action)


def _correlation(properties: Section, where: str) -> CorrelationFilter:
    where = f"{where}.CorrelationFilter"
    section = _section(properties, "CorrelationFilter", where)
    _known(section, (*_CORRELATION, "Properties"), where)
    system = {_CORRELATION[key]: str(value) for key, value in section.items() if key in _CORRELATION}
    return CorrelationFilter(system=system, application=_section(section, "Properties", where))


def _sql(properties: Section, where: str) -> SqlFilter:
    expression = _section(properties, "SqlFilter", where).get("SqlExpression")
    if not isinstance(expression, str):
        raise ConfigProblem(f"{where}.SqlFilter.SqlExpression: a text is missing")
    return SqlFilter(expression=expression)


def _holding(properties: Section, where: str) -> Holding:
    return Holding(
        lock_seconds=_seconds(properties, "LockDuration", where, 60.0, 5.0, 300.0),
        time_to_live_seconds=_seconds(properties, "DefaultMessageTimeToLive", where, 3600.0, 1.0, 3600.0),
        max_delivery_count=_count(properties, "MaxDeliveryCount", where, 3, 10),
        requires_session=_flag(properties, "RequiresSession", where),
        dead_letter_on_expiry=_flag(properties, "DeadLetteringOnMessageExpiration", where),
        forward_to=properties.get("ForwardTo") or None,
        forward_dead_letters_to=properties.get("ForwardDeadLetteredMessagesTo") or None,
    )


def _entrance(properties: Section, where: str) -> Entrance:
    window = _seconds(properties, "DuplicateDetectionHistoryTimeWindow", where, 20.0, 5.0, 300.0)
    return Entrance(duplicate_window_seconds=window if _flag(properties, "RequiresDuplicateDetection", where) else None)


def _properties(section: Section, where: str, known: tuple[str, ...]) -> Section:
    found = _section(section, "Properties", where)
    _known(found, known, f"{where}.Properties")
    return found


def _known(section: Section, names: tuple[str, ...], where: str) -> None:
    strange = next((name for name in section if name not in names), None)
    if strange is not None:
        raise ConfigProblem(f"{where}: {strange} is unknown; known are {', '.join(sorted(names))}")


def _section(section: Any, name: str, where: str) -> Section:
    found = section.get(name) if isinstance(section, dict) else None
    if found is None and where:
        return {}
    if not isinstance(found, dict):
        raise ConfigProblem(f"{where}.{name}: an object is expected".lstrip("."))
    return found


def _list(section: Section, name: str, where: str, most: int) -> list[Section]:
    found = section.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ConfigProblem(f"{where}.{name}: a list of objects is expected")
    if len(found) > most:
        raise ConfigProblem(f"{where}.{name}: {len(found)} of them; {most} is the most")
    return found


def _name(section: Section, where: str) -> str:
    name = section.get("Name")
    if not isinstance(name, str) or not name.strip("/") or len(name) > NAME_LENGTH_MAX or "$management" in name.lower():
        raise ConfigProblem(f"{where}: a Name of 1 to {NAME_LENGTH_MAX} characters is missing")
    return name


def _flag(section: Section, name: str, where: str) -> bool:
    found = section.get(name, False)
    if not isinstance(found, bool):
        raise ConfigProblem(f"{where}.{name}: true or false, not {found!r}")
    return found


def _count(section: Section, name: str, where: str, default: int, most: int) -> int:
    found = section.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= most:
        raise ConfigProblem(f"{where}.{name}: 1 to {most}, not {found!r}")
    return found


def _seconds(section: Section, name: str, where: str, default: float, least: float, most: float) -> float:
    found = section.get(name)
    if found is None or found == "":
        return default
    total = seconds_of(found)
    if total is None:
        raise ConfigProblem(f"{where}.{name}: an ISO 8601 duration such as PT1M, not {found!r}")
    if not least <= total <= most:
        raise ConfigProblem(f"{where}.{name}: {least:g} to {most:g} seconds, not {total:g}")
    return total
