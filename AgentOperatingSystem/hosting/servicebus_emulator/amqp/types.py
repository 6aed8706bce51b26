"""AMQP's primitive types that Python has no type of its own for.

Each is a subclass of the Python type that it behaves as, so that what was decoded is encoded again as the very type it
had. Plain `int` is encoded as `long`, `float` as `double`, `str` as `string`, `bytes` as `binary`.
"""

from dataclasses import dataclass
from typing import Any


class AmqpError(Exception):
    """The peer broke a rule of AMQP; `condition` is the symbol that the connection is closed with."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description


class DecodeError(AmqpError):
    """Bytes that are no valid AMQP."""

    def __init__(self, description: str) -> None:
        super().__init__("amqp:decode-error", description)


class UByte(int):
    """0 to 255."""


class UShort(int):
    """16 bits, unsigned."""


class UInt(int):
    """32 bits, unsigned."""


class ULong(int):
    """64 bits, unsigned."""


class Byte(int):
    """8 bits, signed."""


class Short(int):
    """16 bits, signed."""


class Int(int):
    """32 bits, signed."""


class Long(int):
    """64 bits, signed."""


class Timestamp(int):
    """Milliseconds since 1970, UTC."""


class Float(float):
    """32 bits of IEEE 754."""


class Char(str):
    """One Unicode character."""


class Symbol(str):
    """ASCII text from a constrained domain."""


class Decimal32(bytes):
    """IEEE 754 decimal of 4 bytes, kept as it came."""


class Decimal64(bytes):
    """IEEE 754 decimal of 8 bytes, kept as it came."""


class Decimal128(bytes):
    """IEEE 754 decimal of 16 bytes, kept as it came."""


@dataclass(frozen=True, slots=True)
class Described:
    """A value with the descriptor that says what it means."""

    descriptor: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one type, which is named so that an empty array has one too."""

    kind: type
    items: tuple[Any, ...]
