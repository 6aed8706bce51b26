"""Queues, topics and subscriptions as the vendor describes them, to and from our settings.

Microsoft Learn, "Service Bus REST API: QueueDescription, TopicDescription, SubscriptionDescription". A description is a
map of element names to texts; whatever the broker does not act on is repeated as it was given.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from AgentOperatingSystem.hosting.servicebus_emulator.admin import xml
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import EntitySettings
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest
from AgentOperatingSystem.hosting.servicebus_emulator.durations import FOREVER, seconds_of, text_of
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    ALL_RIGHTS,
    About,
    AccessKey,
    Entrance,
    Holding,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)

Description = dict[str, str]

_COMMON = {
    "DefaultMessageTimeToLive": FOREVER,
    "EnableBatchedOperations": "true",
    "Status": "Active",
    "AutoDeleteOnIdle": FOREVER,
    "EntityAvailabilityStatus": "Available",
}
_HOLDING = {
    "LockDuration": "PT1M",
    "RequiresSession": "false",
    "DeadLetteringOnMessageExpiration": "false",
    "MaxDeliveryCount": "10",
}
_ENTRANCE = {
    "MaxSizeInMegabytes": "1024",
    "RequiresDuplicateDetection": "false",
    "DuplicateDetectionHistoryTimeWindow": "PT10M",
    "IsAnonymousAccessible": "false",
    "SupportOrdering": "true",
    "EnablePartitioning": "false",
    "EnableExpress": "false",
}
DEFAULTS: dict[str, Description] = {
    "QueueDescription": _HOLDING | _ENTRANCE | _COMMON,
    "TopicDescription": _ENTRANCE
    | _COMMON
    | {"FilteringMessagesBeforePublishing": "false", "EnableSubscriptionPartitioning": "false"},
    "SubscriptionDescription": _HOLDING | _COMMON | {"DeadLetteringOnFilterEvaluationExceptions": "true"},
}
_FORWARDS = ("ForwardTo", "ForwardDeadLetteredMessagesTo")
_OPTIONAL = (*_FORWARDS, "UserMetadata", "MaxMessageSizeInKilobytes")
_FIXED = ("RequiresSession", "RequiresDuplicateDetection", "EnablePartitioning")
_STATES = ("Active", "Disabled", "SendDisabled", "ReceiveDisabled")
PREMIUM_MESSAGE_BYTES = 1_048_576


def kind_of(settings: EntitySettings) -> str:
    """The name of its description."""
    names = {QueueSettings: "QueueDescription", TopicSettings: "TopicDescription"}
    return names.get(type(settings), "SubscriptionDescription")


def read(element: xml.Element, kind: str, before: Description | None, *, premium: bool) -> Description:
    """What is given over what was before, or over the defaults. Raises `InvalidRequest` for what cannot be."""
    known = (*DEFAULTS[kind], *_OPTIONAL)
    given = {name: found for name in known if (found := xml.text(element, name)) is not None}
    base = {name: text for name, text in (before or DEFAULTS[kind]).items() if name not in _OPTIONAL}
    merged = base | {name: text for name, text in given.items() if text != "" or name not in _OPTIONAL}
    if not premium and "MaxMessageSizeInKilobytes" in merged:
        raise InvalidRequest("MaxMessageSizeInKilobytes: only where messages of 1 MB or more are taken")
    for name in _FIXED if before is not None else ():
        if name in merged and before is not None and merged[name] != before.get(name):
            raise InvalidRequest(f"{name} cannot be changed once the entity is there")
    return merged


def queue(name: str, told: Description, keys: tuple[AccessKey, ...]) -> QueueSettings:
    """Raises `InvalidRequest`."""
    return QueueSettings(name=name, holding=_holding(told), entrance=_entrance(told), about=_about(told, keys))


def topic(name: str, told: Description, keys: tuple[AccessKey, ...]) -> TopicSettings:
    """Without its subscriptions. Raises `InvalidRequest`."""
    seconds = _seconds(told, "DefaultMessageTimeToLive", 1.0, float("inf"))
    return TopicSettings(name=name, time_to_live_seconds=seconds, entrance=_entrance(told), about=_about(told, keys))


def subscription(name: str, told: Description) -> SubscriptionSettings:
    """With the rule that takes everything. Raises `InvalidRequest`."""
    return SubscriptionSettings(name=name, holding=_holding(told), about=_about(told, ()))


def told(settings: EntitySettings) -> Description:
    """As administration gave it, or as the configuration's file comes out in its words."""
    if settings.about.told:
        return dict(settings.about.told)
    found = dict(DEFAULTS[kind_of(settings)])
    if isinstance(settings, TopicSettings):
        found["DefaultMessageTimeToLive"] = text_of(settings.time_to_live_seconds)
    else:
        found |= _told_holding(settings.holding)
    if not isinstance(settings, SubscriptionSettings):
        found |= _told_entrance(settings.entrance)
    return found | {"Status": settings.about.status}


def _told_holding(holding: Holding) -> Description:
    found = {
        "LockDuration": text_of(holding.lock_seconds),
        "RequiresSession": _word(holding.requires_session),
        "DefaultMessageTimeToLive": text_of(holding.time_to_live_seconds),
        "DeadLetteringOnMessageExpiration": _word(holding.dead_letter_on_expiry),
        "MaxDeliveryCount": str(holding.max_delivery_count),
    }
    targets = zip(_FORWARDS, (holding.forward_to, holding.forward_dead_letters_to), strict=True)
    return found | {name: f"sb://localhost/{target}" for name, target in targets if target is not None}


def _told_entrance(entrance: Entrance) -> Description:
    window = entrance.duplicate_window_seconds
    found = {"RequiresDuplicateDetection": _word(window is not None)}
    return found if window is None else found | {"DuplicateDetectionHistoryTimeWindow": text_of(window)}


def _holding(told: Description) -> Holding:
    return Holding(
        lock_seconds=_seconds(told, "LockDuration", 1.0, 300.0),
        time_to_live_seconds=_seconds(told, "DefaultMessageTimeToLive", 1.0, float("inf")),
        max_delivery_count=_count(told, "MaxDeliveryCount", 2000),
        requires_session=_flag(told, "RequiresSession"),
        dead_letter_on_expiry=_flag(told, "DeadLetteringOnMessageExpiration"),
        forward_to=_target(told, "ForwardTo"),
        forward_dead_letters_to=_target(told, "ForwardDeadLetteredMessagesTo"),
    )


def _entrance(told: Description) -> Entrance:
    window = _seconds(told, "DuplicateDetectionHistoryTimeWindow", 1.0, 7 * 86_400.0)
    return Entrance(duplicate_window_seconds=window if _flag(told, "RequiresDuplicateDetection") else None)


def _about(told: Description, keys: tuple[AccessKey, ...]) -> About:
    if told["Status"] not in _STATES:
        raise InvalidRequest(f"Status: one of {', '.join(_STATES)}, not {told['Status']!r}")
    for name in ("EnableBatchedOperations", "EnablePartitioning", "EnableExpress", "SupportOrdering"):
        if name in told:
            _flag(told, name)
    _seconds(told, "AutoDeleteOnIdle", 300.0, float("inf"))
    if "MaxSizeInMegabytes" in told:
        _count(told, "MaxSizeInMegabytes", 81_920)
    if "MaxMessageSizeInKilobytes" in told and _count(told, "MaxMessageSizeInKilobytes", 102_400) < 1024:
        raise InvalidRequest("MaxMessageSizeInKilobytes: 1024 to 102400")
    return About(told=told, keys=keys, status=told["Status"])


def _target(told: Description, name: str) -> str | None:
    found = told.get(name)
    if not found:
        return None
    return (urlsplit(found).path if "://" in found else found).strip("/")


def _word(flag: bool) -> str:
    return "true" if flag else "false"


def _flag(told: Description, name: str) -> bool:
    if told[name].lower() not in ("true", "false"):
        raise InvalidRequest(f"{name}: true or false, not {told[name]!r}")
    return told[name].lower() == "true"


def _count(told: Description, name: str, most: int) -> int:
    text = told[name]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise InvalidRequest(f"{name}: 1 to {most}, not {text!r}")
    return int(text)


def _seconds(told: Description, name: str, least: float, most: float) -> float:
    found = seconds_of(told[name])
    if found is None:
        raise InvalidRequest(f"{name}: an ISO 8601 duration such as PT1M, not {told[name]!r}")
    if not least <= found <= most:
        raise InvalidRequest(f"{name}: {least:g} to {most:g} seconds, not {found:g}")
    return found


def read_keys(element: xml.Element) -> tuple[AccessKey, ...] | None:
    """The authorization rules; None where nothing is said of them. Raises `InvalidRequest`."""
    rules = xml.child(element, "AuthorizationRules")
    return None if rules is None else tuple(_key(each) for each in xml.children(rules, "AuthorizationRule"))


def _key(rule: xml.Element) -> AccessKey:
    rights = frozenset(each.text or "" for each in xml.children(xml.child(rule, "Rights"), "AccessRights"))
    name, key = xml.text(rule, "KeyName"), xml.text(rule, "PrimaryKey")
    if not name or not key or not rights or not rights <= ALL_RIGHTS:
        raise InvalidRequest("an authorization rule has a KeyName, a PrimaryKey and some of Manage, Send, Listen")
    if "Manage" in rights and rights != ALL_RIGHTS:
        raise InvalidRequest("whoever may Manage may Send and Listen too")
    return AccessKey(name=name, key=key, rights=rights, secondary=xml.text(rule, "SecondaryKey") or None)


def written(settings: EntitySettings, runtime: str) -> str:
    """The description with the figures of the moment."""
    values = told(settings)
    return xml.description(kind_of(settings), _written_keys(settings.about.keys) + xml.leaves(values) + runtime)


def _written_keys(keys: tuple[AccessKey, ...]) -> str:
    return xml.tag("AuthorizationRules", "".join(map(_written_key, keys))) if keys else ""


def _written_key(key: AccessKey) -> str:
    rights = "".join(xml.leaf("AccessRights", right) for right in ("Manage", "Send", "Listen") if right in key.rights)
    values: Mapping[str, object] = {"ClaimType": "SharedAccessKey", "ClaimValue": "None"}
    secrets = {"KeyName": key.name, "PrimaryKey": key.key, "SecondaryKey": key.secondary or key.key}
    inner = xml.leaves(values) + xml.tag("Rights", rights) + xml.leaves(secrets)
    return xml.tag("AuthorizationRule", inner, i_type="SharedAccessAuthorizationRule")
