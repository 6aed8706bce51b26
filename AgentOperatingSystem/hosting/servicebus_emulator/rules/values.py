"""What an expression computes with: values of a message, and SQL's third truth value, unknown (None)."""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, Long, Symbol, Timestamp
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope

Truth = bool | None
Value = Any
"""str, int, float, bool, bytes, UUID, Timestamp, or None where the message has no such property."""

SYSTEM = {
    "contenttype": "content_type",
    "correlationid": "correlation_id",
    "label": "subject",
    "messageid": "message_id",
    "replyto": "reply_to",
    "replytosessionid": "reply_to_group_id",
    "sessionid": "group_id",
    "subject": "subject",
    "to": "to",
}
"""Names after `sys.`, in small letters, to those of `envelope.PROPERTY_NAMES`."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": operator.mod,
}


def wire(value: Any) -> Value:
    """A value that administration gave, as a message carries it."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return Timestamp(round(aware.timestamp() * 1000))
    if isinstance(value, timedelta):
        return Described(Symbol("com.microsoft:timespan"), Long(round(value.total_seconds() * 10_000_000)))
    return value


def system_property(envelope: Envelope, name: str) -> Value:
    """The value of `sys.name`; None for one that the message lacks."""
    if name == "enqueuedtimeutc":
        return envelope.annotations.get(Symbol("x-opt-enqueued-time"))
    if name == "scheduledenqueuetimeutc":
        return envelope.annotations.get(Symbol("x-opt-scheduled-enqueue-time"))
    if name == "partitionkey":
        return envelope.annotations.get(Symbol("x-opt-partition-key"))
    return envelope.standard(SYSTEM[name]) if name in SYSTEM else None


def user_property(envelope: Envelope, name: str) -> Value:
    """The value of an application property; the case of its name does not matter, as at the vendor's."""
    if name in envelope.application:
        return envelope.application[name]
    small = name.lower()
    return next((value for key, value in envelope.application.items() if str(key).lower() == small), None)


def compare(sign: str, left: Value, right: Value) -> Truth:
    """Unknown where a side is missing or the two kinds cannot be compared."""
    if left is None or right is None:
        return None
    left, right = _comparable(left), _comparable(right)
    if type(left) is not type(right) and not (_is_number(left) and _is_number(right)):
        return None
    return _COMPARE[sign](left, right)


def _comparable(value: Value) -> Value:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Timestamp):
        return datetime.fromtimestamp(value / 1000, UTC)
    if isinstance(value, str):
        return str(value)
    return value


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compute(sign: str, left: Value, right: Value) -> Value:
    """Arithmetic on numbers, `+` on texts too; unknown for anything else and for a division by zero."""
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return str(left) + str(right)
    if not (_is_number(left) and _is_number(right)) or (sign in "/%" and right == 0):
        return None
    if sign == "/":
        return int(left / right) if isinstance(left, int) and isinstance(right, int) else left / right
    return _COMPUTE[sign](left, right)


def like(value: Value, pattern: Value, escape: str | None) -> Truth:
    """`%` stands for any text, `_` for one character."""
    if not isinstance(value, str) or not isinstance(pattern, str):
        return None
    return _like_pattern(pattern, escape).fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _like_pattern(pattern: str, escape: str | None) -> re.Pattern[str]:
    out, characters = [], iter(pattern)
    for character in characters:
        if escape is not None and character == escape:
            out.append(re.escape(next(characters, escape)))
        else:
            out.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
    return re.compile("".join(out), re.DOTALL)


def both(left: Truth, right: Truth) -> Truth:
    """AND of three truth values."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Truth, right: Truth) -> Truth:
    """OR of three truth values."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def opposite(value: Truth) -> Truth:
    """NOT of three truth values."""
    return None if value is None else not value
