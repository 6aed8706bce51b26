"""Bytes of a stream to frames and back (AMQP 1.0, part 2.3)."""

import struct
from collections.abc import Iterator
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.decode import decode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import compose, encoded
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import AmqpError

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_FRAME, SASL_FRAME = 0, 1
FRAME_BYTES_MIN = 512  # what every peer must take
_HEAD = struct.Struct(">IBBH")

EMPTY_FRAME = _HEAD.pack(8, 2, AMQP_FRAME, 0)
"""The heartbeat."""


def frame(record: Any, payload: bytes = b"", channel: int = 0, kind: int = AMQP_FRAME) -> bytes:
    """One whole frame."""
    body = encoded(record)
    return _HEAD.pack(8 + len(body) + len(payload), 2, kind, channel) + body + payload


class FrameReader:
    """Collects bytes and hands out whole frames."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._buffer = bytearray()
        self._frame_bytes_max = frame_bytes_max

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        self._buffer += data

    def header(self) -> bytes | None:
        """The eight bytes of a protocol header, where they are there."""
        if len(self._buffer) < 8:
            return None
        found = bytes(self._buffer[:8])
        del self._buffer[:8]
        return found

    def frames(self) -> Iterator[tuple[int, int, Any, bytes]]:
        """(frame type, channel, record or None for a heartbeat, payload). Raises `AmqpError`."""
        while len(self._buffer) >= 8:
            size, offset, kind, channel = _HEAD.unpack_from(self._buffer)
            if not 8 <= size <= self._frame_bytes_max or not 8 <= 4 * offset <= size:
                raise AmqpError("amqp:connection:framing-error", f"a frame of {size} bytes, data offset {offset}")
            if len(self._buffer) < size:
                return
            body = bytes(self._buffer[4 * offset : size])
            del self._buffer[:size]
            yield kind, channel, *_record(body)


def _record(body: bytes) -> tuple[Any, bytes]:
    if not body:
        return None, b""
    value, end = decode(body)
    return compose(value), body[end:]
