"""Rules of subscriptions as the vendor describes them, to and from our settings.

Microsoft Learn, "Service Bus REST API: RuleDescription". Values of properties and parameters carry their XML type, and
come out with the type and in the spelling in which they came.
"""

from datetime import datetime, timedelta
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.admin import xml
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest
from AgentOperatingSystem.hosting.servicebus_emulator.durations import seconds_of, text_of
from AgentOperatingSystem.hosting.servicebus_emulator.rules import matching
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    EVERYTHING,
    CorrelationFilter,
    RuleSettings,
    SqlFilter,
)

NAME = "RuleDescription"
_TYPE = f"{{{xml.INSTANCE}}}type"
_INT32_MAX = 2**31 - 1
_SYSTEM = {
    "CorrelationId": "correlation_id",
    "MessageId": "message_id",
    "To": "to",
    "ReplyTo": "reply_to",
    "Label": "subject",
    "SessionId": "group_id",
    "ReplyToSessionId": "reply_to_group_id",
    "ContentType": "content_type",
}


def read(element: xml.Element, name: str) -> RuleSettings:
    """Raises `InvalidRequest`, for SQL that cannot be read too."""
    action = xml.child(element, "Action")
    expression = xml.text(action, "SqlExpression") or None
    rule = RuleSettings(
        name=name,
        filter=_filter(xml.child(element, "Filter")),
        action=expression,
        parameters=_values(xml.child(action, "Parameters")),
    )
    matching.matcher((rule,))
    return rule


def _filter(element: xml.Element | None) -> CorrelationFilter | SqlFilter:
    if element is None:
        return EVERYTHING
    kind = element.get(_TYPE, "").rpartition(":")[2]
    if kind == "CorrelationFilter":
        system = {ours: found for theirs, ours in _SYSTEM.items() if (found := xml.text(element, theirs)) is not None}
        return CorrelationFilter(system=system, application=_values(xml.child(element, "Properties")))
    if kind in ("TrueFilter", "FalseFilter"):
        return SqlFilter(expression="1=1" if kind == "TrueFilter" else "1=0", kind=kind)
    if kind != "SqlFilter":
        raise InvalidRequest(f"a filter is a CorrelationFilter, SqlFilter, TrueFilter or FalseFilter, not {kind!r}")
    expression = xml.text(element, "SqlExpression")
    if not expression:
        raise InvalidRequest("SqlFilter.SqlExpression: a text is missing")
    return SqlFilter(expression=expression, parameters=_values(xml.child(element, "Parameters")))


def _values(element: xml.Element | None) -> dict[str, Any]:
    found = {}
    for each in xml.children(element, "KeyValueOfstringanyType"):
        key, value = xml.text(each, "Key"), xml.child(each, "Value")
        if not key or value is None:
            raise InvalidRequest("a property has a Key and a Value")
        found[key] = _value(value.get(_TYPE, "").rpartition(":")[2], value.text or "")
    return found


def _value(kind: str, text: str) -> Any:
    try:
        match kind:
            case "int" | "long" | "short" | "byte":
                return int(text)
            case "boolean":
                return text.lower() == "true"
            case "double" | "float" | "decimal":
                return float(text)
            case "dateTime":
                return datetime.fromisoformat(text)
            case "duration":
                return timedelta(seconds=seconds_of(text) or 0.0)
    except ValueError:
        raise InvalidRequest(f"{text!r} is no {kind}") from None
    return text


def written(rule: RuleSettings, created_ms: int) -> str:
    """The description of a rule."""
    created = xml.leaf("CreatedAt", xml.moment(created_ms))
    return xml.description(NAME, _written_filter(rule.filter) + _action(rule) + created + xml.leaf("Name", rule.name))


def _written_filter(filter: CorrelationFilter | SqlFilter) -> str:
    if isinstance(filter, SqlFilter):
        return xml.tag("Filter", _sql(filter.expression, filter.parameters), i_type=filter.kind)
    names = {ours: theirs for theirs, ours in _SYSTEM.items()}
    system = xml.leaves({names[ours]: value for ours, value in filter.system.items()})
    properties = _written_values("Properties", filter.application)
    return xml.tag("Filter", system + properties, i_type="CorrelationFilter")


def _action(rule: RuleSettings) -> str:
    if rule.action is None:
        return xml.tag("Action", "", i_type="EmptyRuleAction")
    return xml.tag("Action", _sql(rule.action, rule.parameters), i_type="SqlRuleAction")


def _sql(expression: str, parameters: dict[str, Any]) -> str:
    level = xml.leaf("CompatibilityLevel", 20)
    return xml.leaf("SqlExpression", expression) + level + _written_values("Parameters", parameters)


def _written_values(name: str, values: dict[str, Any]) -> str:
    return xml.tag(name, "".join(_written_value(key, value) for key, value in values.items()))


def _written_value(key: str, value: Any) -> str:
    kind, text = _typed(value)
    inner = xml.leaf("Key", key) + xml.leaf("Value", text, xmlns_d=xml.SCHEMA, i_type=f"d:{kind}")
    return xml.tag("KeyValueOfstringanyType", inner)


def _typed(value: Any) -> tuple[str, str]:
    match value:
        case bool():
            return "boolean", str(value).lower()
        case int():
            return ("int" if abs(value) <= _INT32_MAX else "long"), str(value)
        case float():
            return "double", repr(value)
        case datetime():
            return "dateTime", value.isoformat()
        case timedelta():
            return "duration", text_of(value.total_seconds())
    return "string", str(value)
