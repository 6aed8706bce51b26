"""A message as the broker keeps it: the sender's bytes, cut at the sections' borders and never written anew.

The bare message (properties, application properties, body) goes out exactly as it came in. Only header and annotations,
which are the broker's by the standard (AMQP 1.0, part 3.2), are made for each delivery; a filter's action or a dead
letter's reason rewrites one section of a copy.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.decode import decode, skip
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import (
    AmqpError,
    DecodeError,
    Described,
    Symbol,
    UInt,
    ULong,
)
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest

HEADER, DELIVERY, ANNOTATIONS, PROPERTIES, APPLICATION, DATA, SEQUENCE, VALUE, FOOTER = range(0x70, 0x79)
BATCH_FORMAT = 0x80013700
PROPERTY_NAMES = (
    "message_id",
    "user_id",
    "to",
    "subject",
    "reply_to",
    "correlation_id",
    "content_type",
    "content_encoding",
    "absolute_expiry_time",
    "creation_time",
    "group_id",
    "group_sequence",
    "reply_to_group_id",
)
_SCHEDULED = Symbol("x-opt-scheduled-enqueue-time")
_ID_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a message. `raw` values are whole sections, descriptor included, or empty."""

    header: list[Any] = field(default_factory=list)
    annotations: dict[Any, Any] = field(default_factory=dict)
    delivery: dict[Any, Any] = field(default_factory=dict)  # the vendor's broker hands them on
    properties: list[Any] = field(default_factory=list)
    application: dict[Any, Any] = field(default_factory=dict)
    raw_properties: bytes = b""
    raw_application: bytes = b""
    raw_body: bytes = b""

    def standard(self, name: str) -> Any:
        """One of `PROPERTY_NAMES`, or None."""
        place = PROPERTY_NAMES.index(name)
        return self.properties[place] if place < len(self.properties) else None

    @property
    def message_id(self) -> str | None:
        """The sender's id as text; what duplicate detection compares."""
        found = self.standard("message_id")
        return None if found is None else str(found)

    @property
    def session_id(self) -> str | None:
        """The group that the message belongs to."""
        found = self.standard("group_id")
        return None if found is None else str(found)

    @property
    def time_to_live_ms(self) -> int | None:
        """The sender's limit, from the header."""
        return self.header[2] if len(self.header) > 2 else None

    @property
    def scheduled_ms(self) -> int | None:
        """When the sender wants it to appear, in milliseconds since 1970."""
        found = self.annotations.get(_SCHEDULED)
        return found if isinstance(found, int) else None

    @property
    def size_bytes(self) -> int:
        """About what it takes in the store."""
        return len(self.raw_properties) + len(self.raw_application) + len(self.raw_body) + 128

    def stored(self) -> bytes:
        """Everything, as one encoded message."""
        return self.encoded(0, {})

    def encoded(self, delivery_count: int, added: dict[Any, Any], lock_token: UUID | None = None) -> bytes:
        """The message for a receiver, with the broker's own annotations `added`."""
        header = [*self.header, *[None] * (5 - len(self.header))][:5]
        header[4] = UInt(delivery_count)
        parts = [_section(HEADER, header)]
        token = {Symbol("x-opt-lock-token"): lock_token} if lock_token is not None else {}
        if self.delivery or token:
            parts.append(_section(DELIVERY, {**self.delivery, **token}))
        annotations = {**self.annotations, **added}
        if annotations:
            parts.append(_section(ANNOTATIONS, annotations))
        return b"".join((*parts, self.raw_properties, self.raw_application, self.raw_body))

    def with_application(self, changes: dict[Any, Any]) -> "Envelope":
        """A copy with further application properties; None takes one away."""
        merged = {name: value for name, value in {**self.application, **changes}.items() if value is not None}
        return replace(self, application=merged, raw_application=_section(APPLICATION, merged) if merged else b"")

    def with_property(self, name: str, value: Any) -> "Envelope":
        """A copy with one of the standard properties changed."""
        values = [*self.properties, *[None] * (len(PROPERTY_NAMES) - len(self.properties))]
        values[PROPERTY_NAMES.index(name)] = value
        return replace(self, properties=values, raw_properties=_section(PROPERTIES, values))

    def with_annotations(self, changes: dict[Any, Any]) -> "Envelope":
        """A copy with further annotations."""
        return replace(self, annotations={**self.annotations, **changes})


def _section(code: int, value: Any) -> bytes:
    return encode(Described(ULong(code), value))


def parse(data: bytes) -> Envelope:
    """One message. Raises `InvalidRequest` for bytes that are none."""
    try:
        return _checked(_parsed(data))
    except AmqpError as error:
        raise InvalidRequest(f"not a message: {error.description}") from None


def _parsed(data: bytes) -> Envelope:
    """The sections before the body in any order; delivery annotations even behind it: the vendor's SDK writes them
    last."""
    values: dict[int, Any] = {}
    raw: dict[int, bytes] = {}
    body = bytearray()
    offset = 0
    while offset < len(data):
        if data[offset] != 0x00:
            raise DecodeError("a section without a descriptor")
        code = decode(data, offset + 1)[0]
        if not isinstance(code, ULong) or not HEADER <= code <= FOOTER or code in raw:
            raise DecodeError(f"section {code} is unknown, or comes twice")
        if body and code < DATA and code != DELIVERY:
            raise DecodeError(f"section {code} stands behind the body")
        end = skip(data, offset)
        if code >= DATA:
            body += data[offset:end]
        else:
            values[code], raw[code] = decode(data, offset)[0].value, data[offset:end]
        offset = end
    return Envelope(
        header=_of(list, values.get(HEADER)),
        annotations=_of(dict, values.get(ANNOTATIONS)),
        delivery=_of(dict, values.get(DELIVERY)),
        properties=_of(list, values.get(PROPERTIES)),
        application=_of(dict, values.get(APPLICATION)),
        raw_properties=raw.get(PROPERTIES, b""),
        raw_application=raw.get(APPLICATION, b""),
        raw_body=bytes(body),
    )


def _of(kind: type, value: Any) -> Any:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise DecodeError(f"a section is {type(value).__name__}, not {kind.__name__}")
    return value


def _checked(envelope: Envelope) -> Envelope:
    if envelope.time_to_live_ms is not None and not isinstance(envelope.time_to_live_ms, int):
        raise InvalidRequest("the time to live is not a number")
    for name, value in (("MessageId", envelope.message_id), ("SessionId", envelope.session_id)):
        if value is not None and len(value) > _ID_LENGTH_MAX:
            raise InvalidRequest(f"{name} has {len(value)} characters; {_ID_LENGTH_MAX} is the most")
    return envelope


def unpacked(data: bytes, message_format: int) -> list[Envelope]:
    """The messages of a transfer: one, or those of a batch. Raises `InvalidRequest`."""
    if message_format != BATCH_FORMAT:
        return [parse(data)]
    try:
        return [parse(each) for each in _data_sections(data)]
    except AmqpError as error:
        raise InvalidRequest(f"not a batch: {error.description}") from None


def _data_sections(data: bytes) -> list[bytes]:
    found, offset = [], 0
    while offset < len(data):
        end = skip(data, offset)
        if data[offset] == 0x00 and decode(data, offset + 1)[0] == DATA:
            value = decode(data, offset)[0].value
            if not isinstance(value, bytes):
                raise DecodeError("a data section without binary data")
            found.append(value)
        offset = end
    if not found:
        raise DecodeError("it holds no message")
    return found
