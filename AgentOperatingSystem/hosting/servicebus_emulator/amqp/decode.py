"""Bytes to values, strictly: whatever is cut short, unknown, too deep or longer than it says raises `DecodeError`.

A frame comes from anybody, so nothing here trusts a size or a count before the bytes are there.
"""

import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    DecodeError,
    Described,
    Float,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

DEPTH_MAX = 32
_U32 = struct.Struct(">I")

Decoder = Callable[[bytes, int, int], tuple[Any, int]]
"""(data, offset behind the constructor, depth) → (value, offset behind the value)."""


def decode(data: bytes, offset: int = 0) -> tuple[Any, int]:
    """The value at `offset`, and the offset behind it. Raises `DecodeError`."""
    try:
        return _value(data, offset, 0)
    except (struct.error, IndexError):
        raise DecodeError("the value is cut short") from None
    except (UnicodeDecodeError, ValueError, OverflowError, TypeError) as error:
        raise DecodeError(f"a value that its type does not allow: {error}") from None


def skip(data: bytes, offset: int) -> int:
    """The offset behind the value at `offset`, which is not looked into. Raises `DecodeError`."""
    try:
        end = _end(data, offset)
    except (struct.error, IndexError):
        raise DecodeError("the value is cut short") from None
    if end > len(data):
        raise DecodeError("the value is cut short")
    return end


def _end(data: bytes, offset: int) -> int:
    code = data[offset]
    if code == 0x00:
        return _end(data, decode(data, offset + 1)[1])
    kind = code >> 4
    if kind in _FIXED_WIDTHS:
        return offset + 1 + _FIXED_WIDTHS[kind]
    if kind in (0xA, 0xC, 0xE):
        return offset + 2 + data[offset + 1]
    if kind in (0xB, 0xD, 0xF):
        return offset + 5 + int(_U32.unpack_from(data, offset + 1)[0])
    raise DecodeError(f"unknown constructor 0x{code:02x}")


_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}


def _value(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
    code = data[offset]
    if code == 0x00:
        return _described(data, offset + 1, depth)
    return _decoder(code)(data, offset + 1, depth)


def _decoder(code: int) -> Decoder:
    decoder = _DECODERS.get(code)
    if decoder is None:
        raise DecodeError(f"unknown constructor 0x{code:02x}")
    return decoder


def _described(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH_MAX:
        raise DecodeError(f"values lie in one another more than {DEPTH_MAX} deep")
    descriptor, offset = _value(data, offset, depth + 1)
    value, offset = _value(data, offset, depth + 1)
    return Described(descriptor, value), offset


def _constant(value: Any) -> Decoder:
    return lambda data, offset, depth: (value, offset)


def _fixed(layout: str, kind: Callable[[Any], Any]) -> Decoder:
    form = struct.Struct(layout)
    width = form.size

    def decoder(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
        return kind(form.unpack_from(data, offset)[0]), offset + width

    return decoder


def _opaque(width: int, kind: Callable[[bytes], Any]) -> Decoder:
    return lambda data, offset, depth: (kind(_taken(data, offset, width)), offset + width)


def _sized(width: int, kind: Callable[[bytes], Any]) -> Decoder:
    def decoder(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
        size = data[offset] if width == 1 else _U32.unpack_from(data, offset)[0]
        return kind(_taken(data, offset + width, size)), offset + width + size

    return decoder


def _taken(data: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise DecodeError(f"{size} bytes are announced and {max(len(data) - offset, 0)} are there")
    return bytes(data[offset : offset + size])


def _text(data: bytes) -> str:
    return data.decode()


def _ascii(data: bytes) -> Symbol:
    return Symbol(data.decode("ascii"))


def _boolean_octet(value: int) -> bool:
    if value not in (0, 1):
        raise DecodeError(f"a boolean is 0 or 1, not {value}")
    return bool(value)


def _char(value: int) -> Char:
    return Char(chr(value))


def _compound(data: bytes, offset: int, width: int, depth: int) -> tuple[list[Any], int]:
    """The values of a list or map, and the end that its size announces."""
    if depth > DEPTH_MAX:
        raise DecodeError(f"values lie in one another more than {DEPTH_MAX} deep")
    size, count = _size_and_count(data, offset, width)
    end = offset + width + size
    if end > len(data) or count > size:
        raise DecodeError(f"{count} values in {size} bytes are announced and cannot be there")
    offset += 2 * width
    values = []
    for _ in range(count):
        value, offset = _value(data, offset, depth + 1)
        values.append(value)
    if offset != end:
        raise DecodeError("a list or map is not as long as it says")
    return values, end


def _size_and_count(data: bytes, offset: int, width: int) -> tuple[int, int]:
    if width == 1:
        return data[offset], data[offset + 1]
    return int(_U32.unpack_from(data, offset)[0]), int(_U32.unpack_from(data, offset + 4)[0])


def _list(width: int) -> Decoder:
    return lambda data, offset, depth: _compound(data, offset, width, depth)


def _map(width: int) -> Decoder:
    def decoder(data: bytes, offset: int, depth: int) -> tuple[dict[Any, Any], int]:
        values, end = _compound(data, offset, width, depth)
        if len(values) % 2:
            raise DecodeError("a map with a key that has no value")
        return dict(zip(values[::2], values[1::2], strict=True)), end

    return decoder


def _array(width: int) -> Decoder:
    def decoder(data: bytes, offset: int, depth: int) -> tuple[Array, int]:
        size, count = _size_and_count(data, offset, width)
        end = offset + width + size
        code = data[offset + 2 * width]
        if end > len(data) or count > size or code == 0x00 or depth > DEPTH_MAX:
            raise DecodeError("an array that cannot be as it says, or one of described values")
        offset, element, items = offset + 2 * width + 1, _decoder(code), []
        for _ in range(count):
            value, offset = element(data, offset, depth + 1)
            items.append(value)
        if offset != end:
            raise DecodeError("an array is not as long as it says")
        return Array(_KINDS.get(code, object), tuple(items)), end

    return decoder


def _same(value: Any) -> Any:
    return value


def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


_DECODERS: dict[int, Decoder] = {
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(UInt(0)),
    0x44: _constant(ULong(0)),
    0x45: lambda data, offset, depth: ([], offset),
    0x50: _fixed(">B", UByte),
    0x51: _fixed(">b", Byte),
    0x52: _fixed(">B", UInt),
    0x53: _fixed(">B", ULong),
    0x54: _fixed(">b", Int),
    0x55: _fixed(">b", Long),
    0x56: _fixed(">B", _boolean_octet),
    0x60: _fixed(">H", UShort),
    0x61: _fixed(">h", Short),
    0x70: _fixed(">I", UInt),
    0x71: _fixed(">i", Int),
    0x72: _fixed(">f", Float),
    0x73: _fixed(">I", _char),
    0x74: _opaque(4, Decimal32),
    0x80: _fixed(">Q", ULong),
    0x81: _fixed(">q", Long),
    0x82: _fixed(">d", _same),
    0x83: _fixed(">q", Timestamp),
    0x84: _opaque(8, Decimal64),
    0x94: _opaque(16, Decimal128),
    0x98: _opaque(16, _uuid),
    0xA0: _sized(1, bytes),
    0xA1: _sized(1, _text),
    0xA3: _sized(1, _ascii),
    0xB0: _sized(4, bytes),
    0xB1: _sized(4, _text),
    0xB3: _sized(4, _ascii),
    0xC0: _list(1),
    0xC1: _map(1),
    0xD0: _list(4),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}

_KINDS: dict[int, type] = {
    **dict.fromkeys((0x41, 0x42, 0x56), bool),
    **dict.fromkeys((0x43, 0x52, 0x70), UInt),
    **dict.fromkeys((0x44, 0x53, 0x80), ULong),
    **dict.fromkeys((0x54, 0x71), Int),
    **dict.fromkeys((0x55, 0x81), Long),
    0x83: Timestamp,
    0x98: UUID,
    **dict.fromkeys((0xA0, 0xB0), bytes),
    **dict.fromkeys((0xA1, 0xB1), str),
    **dict.fromkeys((0xA3, 0xB3), Symbol),
}
