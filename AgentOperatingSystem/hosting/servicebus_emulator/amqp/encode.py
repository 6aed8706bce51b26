"""Values to bytes, each in its shortest encoding (AMQP 1.0, part 1.6)."""

import struct
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
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

_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
_I8, _I16, _I32, _I64 = struct.Struct(">b"), struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_F32, _F64 = struct.Struct(">f"), struct.Struct(">d")

Encoder = Callable[[bytearray, Any], None]


def encode(value: object) -> bytes:
    """The value's bytes. Raises `TypeError` for a type that AMQP has no encoding for, `struct.error` for a number that
    its type cannot hold.
    """
    out = bytearray()
    encode_into(out, value)
    return bytes(out)


def encode_into(out: bytearray, value: object) -> None:
    """Like `encode`, onto the end of `out`."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"AMQP has no encoding for {type(value).__name__}")
    encoder(out, value)


def _null(out: bytearray, value: None) -> None:
    out.append(0x40)


def _boolean(out: bytearray, value: bool) -> None:
    out.append(0x41 if value else 0x42)


def _uint(out: bytearray, value: int) -> None:
    if value == 0:
        out.append(0x43)
    elif value < 256:
        out += bytes((0x52, value))
    else:
        out.append(0x70)
        out += _U32.pack(value)


def _ulong(out: bytearray, value: int) -> None:
    if value == 0:
        out.append(0x44)
    elif value < 256:
        out += bytes((0x53, value))
    else:
        out.append(0x80)
        out += _U64.pack(value)


def _int(out: bytearray, value: int) -> None:
    small = -128 <= value <= 127
    out.append(0x54 if small else 0x71)
    out += (_I8 if small else _I32).pack(value)


def _long(out: bytearray, value: int) -> None:
    small = -128 <= value <= 127
    out.append(0x55 if small else 0x81)
    out += (_I8 if small else _I64).pack(value)


def _fixed(code: int, layout: struct.Struct) -> Encoder:
    def encoder(out: bytearray, value: Any) -> None:
        out.append(code)
        out += layout.pack(value)

    return encoder


def _opaque(code: int) -> Encoder:
    def encoder(out: bytearray, value: bytes) -> None:
        out.append(code)
        out += value

    return encoder


def _char(out: bytearray, value: str) -> None:
    out.append(0x73)
    out += _U32.pack(ord(value))


def _uuid(out: bytearray, value: UUID) -> None:
    out.append(0x98)
    out += value.bytes


def _binary(out: bytearray, value: bytes | bytearray | memoryview) -> None:
    _sized(out, 0xA0, bytes(value))


def _string(out: bytearray, value: str) -> None:
    _sized(out, 0xA1, value.encode())


def _symbol(out: bytearray, value: str) -> None:
    _sized(out, 0xA3, value.encode("ascii"))


def _sized(out: bytearray, short_code: int, data: bytes) -> None:
    if len(data) < 256:
        out += bytes((short_code, len(data)))
    else:
        out.append(short_code + 0x10)
        out += _U32.pack(len(data))
    out += data


def _list(out: bytearray, values: list[Any] | tuple[Any, ...]) -> None:
    if values:
        _compound(out, 0xC0, values, len(values))
    else:
        out.append(0x45)


def _map(out: bytearray, values: dict[Any, Any]) -> None:
    _compound(out, 0xC1, (each for pair in values.items() for each in pair), 2 * len(values))


def _compound(out: bytearray, short_code: int, values: Iterable[Any], count: int) -> None:
    body = bytearray()
    for each in values:
        encode_into(body, each)
    if len(body) < 255 and count < 256:
        out += bytes((short_code, len(body) + 1, count))
    else:
        out.append(short_code + 0x10)
        out += _U32.pack(len(body) + 4)
        out += _U32.pack(count)
    out += body


def _array(out: bytearray, array: Array) -> None:
    code, element = _ELEMENTS[array.kind]
    body = b"".join(map(element, array.items))
    out.append(0xF0)
    out += _U32.pack(len(body) + 5)
    out += _U32.pack(len(array.items))
    out.append(code)
    out += body


def _described(out: bytearray, value: Described) -> None:
    out.append(0x00)
    encode_into(out, value.descriptor)
    encode_into(out, value.value)


def _with_size(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


# In an array all elements share one constructor, the widest of their type.
_ELEMENTS: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    bool: (0x56, lambda each: b"\x01" if each else b"\x00"),
    UInt: (0x70, _U32.pack),
    ULong: (0x80, _U64.pack),
    Int: (0x71, _I32.pack),
    Long: (0x81, _I64.pack),
    Timestamp: (0x83, _I64.pack),
    UUID: (0x98, lambda each: each.bytes),
    bytes: (0xB0, _with_size),
    str: (0xB1, lambda each: _with_size(each.encode())),
    Symbol: (0xB3, lambda each: _with_size(each.encode("ascii"))),
}

_ENCODERS: dict[type, Encoder] = {
    type(None): _null,
    bool: _boolean,
    UByte: _fixed(0x50, struct.Struct(">B")),
    UShort: _fixed(0x60, _U16),
    UInt: _uint,
    ULong: _ulong,
    Byte: _fixed(0x51, _I8),
    Short: _fixed(0x61, _I16),
    Int: _int,
    Long: _long,
    int: _long,
    Float: _fixed(0x72, _F32),
    float: _fixed(0x82, _F64),
    Decimal32: _opaque(0x74),
    Decimal64: _opaque(0x84),
    Decimal128: _opaque(0x94),
    Char: _char,
    Timestamp: _fixed(0x83, _I64),
    UUID: _uuid,
    bytes: _binary,
    bytearray: _binary,
    memoryview: _binary,
    str: _string,
    Symbol: _symbol,
    list: _list,
    tuple: _list,
    dict: _map,
    Array: _array,
    Described: _described,
}
