"""AMQP inside web sockets: `GET /$servicebus/websocket`, upgraded (RFC 6455, binary frames, protocol `AMQPWSB10`).

`http` hands the bytes over; the frames' contents go to an AMQP connection as if they came from a socket.
"""

import base64
import hashlib
from collections.abc import Callable

from AgentOperatingSystem.hosting.servicebus_emulator.admin.http import Request, Response, Upgraded

PATH = "/$servicebus/websocket"
FRAME_BYTES_MAX = 1_048_576
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


def upgraded(request: Request, connection: Callable[[], Upgraded]) -> tuple[Response, Upgraded] | None:
    """The answer, and who speaks from now on; None where a web socket is not asked for."""
    key = request.headers.get("sec-websocket-key")
    path = request.target.partition("?")[0].rstrip("/").lower()
    if request.headers.get("upgrade", "").lower() != "websocket" or key is None or path != PATH:
        return None
    digest = hashlib.sha1(f"{key}{_MAGIC}".encode(), usedforsecurity=False).digest()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }
    asked = request.headers.get("sec-websocket-protocol")
    if asked is not None:
        headers["Sec-WebSocket-Protocol"] = asked.partition(",")[0].strip()
    return Response(101, headers=headers), WebSocket(connection())


class WebSocket:
    """The server's side; a client's frames are masked, ours are not."""

    def __init__(self, inner: Upgraded) -> None:
        self._inner = inner
        self._buffer = bytearray()
        self._output = bytearray()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """See `Upgraded`."""
        return self._is_closed or self._inner.is_closed

    def feed(self, data: bytes) -> None:
        """See `Upgraded`."""
        self._buffer += data
        while not self.is_closed and (found := self._next()) is not None:
            kind, payload = found
            if kind in (_CONTINUED, _TEXT, _BINARY):
                self._inner.feed(payload)
            elif kind == _PING:
                self._output += _frame(_PONG, payload)
            elif kind == _CLOSE:
                self._output += _frame(_CLOSE, payload[:2])
                self._close()

    def take(self) -> bytes:
        """See `Upgraded`."""
        said = self._inner.take()
        taken = (_frame(_BINARY, said) if said else b"") + bytes(self._output)
        self._output.clear()
        return taken

    def gone(self) -> None:
        """See `Upgraded`."""
        self._inner.gone()

    def _close(self) -> None:
        self._is_closed = True
        self._inner.gone()

    def _next(self) -> tuple[int, bytes] | None:
        """(kind, content) of the next whole frame; one that cannot be closes the connection."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, length = 2, buffer[1] & 0x7F
        if length > 125:
            width = 2 if length == 126 else 8
            start, length = 2 + width, int.from_bytes(buffer[2 : 2 + width], "big")
        end = start + 4 + length
        if not buffer[1] & 0x80 or (length > FRAME_BYTES_MAX and len(buffer) >= start):
            self._close()
            return None
        if len(buffer) < end:
            return None
        kind, mask = buffer[0] & 0x0F, bytes(buffer[start : start + 4])
        payload = _unmasked(bytes(buffer[start + 4 : end]), mask)
        del buffer[:end]
        return kind, payload


def _unmasked(data: bytes, mask: bytes) -> bytes:
    whole = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(data), "big")


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | kind, size])
    elif size < 65_536:
        head = bytes([0x80 | kind, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | kind, 127]) + size.to_bytes(8, "big")
    return head + payload
