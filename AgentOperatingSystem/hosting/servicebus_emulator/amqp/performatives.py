"""The composite types of AMQP's transport and messaging layers as records, and their way from and to bytes.

Field order is the standard's (part 2.7, 2.8, 3.4, 3.5). Every field is written, trailing nulls too: older clients of
the vendor index into the list without looking at its length.
"""

from dataclasses import MISSING, dataclass, fields
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import (
    Array,
    DecodeError,
    Described,
    Symbol,
    UByte,
    UInt,
    ULong,
    UShort,
)

_ANY = object


@dataclass(slots=True)
class Error:
    condition: str
    description: str | None = None
    info: dict[Any, Any] | None = None


@dataclass(slots=True)
class Open:
    container_id: str
    hostname: str | None = None
    max_frame_size: int | None = None
    channel_max: int | None = None
    idle_time_out: int | None = None
    outgoing_locales: Any = None
    incoming_locales: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: dict[Any, Any] | None = None


@dataclass(slots=True)
class Begin:
    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int | None = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: dict[Any, Any] | None = None


@dataclass(slots=True)
class Attach:
    name: str
    handle: int
    role: bool  # True: the sender of this frame receives
    snd_settle_mode: int | None = None
    rcv_settle_mode: int | None = None
    source: Any = None
    target: Any = None
    unsettled: Any = None
    incomplete_unsettled: bool | None = None
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: dict[Any, Any] | None = None


@dataclass(slots=True)
class Flow:
    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool | None = None
    echo: bool | None = None
    properties: dict[Any, Any] | None = None


@dataclass(slots=True)
class Transfer:
    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool | None = None
    rcv_settle_mode: int | None = None
    state: Any = None
    resume: bool | None = None
    aborted: bool | None = None
    batchable: bool | None = None


@dataclass(slots=True)
class Disposition:
    role: bool  # True: sent by the receiver
    first: int
    last: int | None = None
    settled: bool | None = None
    state: Any = None
    batchable: bool | None = None


@dataclass(slots=True)
class Detach:
    handle: int
    closed: bool | None = None
    error: Error | None = None


@dataclass(slots=True)
class End:
    error: Error | None = None


@dataclass(slots=True)
class Close:
    error: Error | None = None


@dataclass(slots=True)
class Source:
    address: Any = None
    durable: int | None = None
    expiry_policy: str | None = None
    timeout: int | None = None
    dynamic: bool | None = None
    dynamic_node_properties: Any = None
    distribution_mode: str | None = None
    filter: dict[Any, Any] | None = None
    default_outcome: Any = None
    outcomes: Any = None
    capabilities: Any = None


@dataclass(slots=True)
class Target:
    address: Any = None
    durable: int | None = None
    expiry_policy: str | None = None
    timeout: int | None = None
    dynamic: bool | None = None
    dynamic_node_properties: Any = None
    capabilities: Any = None


@dataclass(slots=True)
class Accepted:
    pass


@dataclass(slots=True)
class Rejected:
    error: Error | None = None


@dataclass(slots=True)
class Released:
    pass


@dataclass(slots=True)
class Modified:
    delivery_failed: bool | None = None
    undeliverable_here: bool | None = None
    message_annotations: dict[Any, Any] | None = None


@dataclass(slots=True)
class SaslMechanisms:
    mechanisms: Any


@dataclass(slots=True)
class SaslInit:
    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


@dataclass(slots=True)
class SaslOutcome:
    code: int
    additional_data: bytes | None = None


Outcome = Accepted | Rejected | Released | Modified

# What a field may hold; a plain Python type is turned into the wire's type when it is written.
_CAPABILITIES = (_ANY,) * 2
_LAYOUTS: dict[int, tuple[type, tuple[type, ...]]] = {
    0x10: (Open, (str, str, UInt, UShort, UInt, _ANY, _ANY, *_CAPABILITIES, dict)),
    0x11: (Begin, (UShort, UInt, UInt, UInt, UInt, *_CAPABILITIES, dict)),
    0x12: (
        Attach,
        (str, UInt, bool, UByte, UByte, _ANY, _ANY, _ANY, bool, UInt, ULong, *_CAPABILITIES, dict),
    ),
    0x13: (Flow, (UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, bool, bool, dict)),
    0x14: (Transfer, (UInt, UInt, bytes, UInt, bool, bool, UByte, _ANY, bool, bool, bool)),
    0x15: (Disposition, (bool, UInt, UInt, bool, _ANY, bool)),
    0x16: (Detach, (UInt, bool, Error)),
    0x17: (End, (Error,)),
    0x18: (Close, (Error,)),
    0x1D: (Error, (Symbol, str, dict)),
    0x24: (Accepted, ()),
    0x25: (Rejected, (Error,)),
    0x26: (Released, ()),
    0x27: (Modified, (bool, bool, dict)),
    0x28: (Source, (_ANY, UInt, Symbol, UInt, bool, _ANY, Symbol, dict, _ANY, _ANY, _ANY)),
    0x29: (Target, (_ANY, UInt, Symbol, UInt, bool, _ANY, _ANY)),
    0x40: (SaslMechanisms, (_ANY,)),
    0x41: (SaslInit, (Symbol, bytes, str)),
    0x44: (SaslOutcome, (UByte, bytes)),
}
_CODES = {kind: (ULong(code), types) for code, (kind, types) in _LAYOUTS.items()}
_REQUIRED = {kind: sum(field.default is MISSING for field in fields(kind)) for kind, _ in _LAYOUTS.values()}


def compose(value: Any) -> Any:
    """The record that a described list stands for; anything else as it is. Raises `DecodeError`."""
    if not isinstance(value, Described) or not isinstance(value.descriptor, ULong) or not isinstance(value.value, list):
        return value
    if value.descriptor not in _LAYOUTS:
        return value
    kind, types = _LAYOUTS[value.descriptor]
    given = [compose(each) for each in value.value]
    if len(given) > len(types):
        raise DecodeError(f"{kind.__name__} has {len(types)} fields, not {len(given)}")
    given += [None] * (len(types) - len(given))
    for place, (each, expected) in enumerate(zip(given, types, strict=True)):
        _check(kind, place, each, expected)
    return kind(*given)


def _check(kind: type, place: int, value: Any, expected: type) -> None:
    if value is None:
        if place < _REQUIRED[kind] and not (kind is Begin and place == 0) and not (kind is Flow and place == 0):
            raise DecodeError(f"{kind.__name__} lacks a field that it must have ({place})")
    elif not isinstance(value, expected) and not (expected in (str, Symbol) and isinstance(value, str)):
        raise DecodeError(f"field {place} of {kind.__name__} is {type(value).__name__}, not {expected.__name__}")


def described(record: Any) -> Described:
    """The described list that stands for a record, with the records in its fields."""
    code, types = _CODES[type(record)]
    names = record.__slots__
    return Described(code, [_wire(getattr(record, name), kind) for name, kind in zip(names, types, strict=True)])


def _wire(value: Any, kind: type) -> Any:
    if value is None or isinstance(value, Described | Array):
        return value
    if type(value) in _CODES:
        return described(value)
    return value if kind is _ANY or type(value) is kind else kind(value)


def encoded(record: Any) -> bytes:
    """The bytes of a record."""
    return encode(described(record))
