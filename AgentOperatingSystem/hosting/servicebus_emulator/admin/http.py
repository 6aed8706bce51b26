"""HTTP/1.1 as far as the administration API needs it: whole requests in, whole answers out, one after the other.

`sockets` feeds it bytes and writes what it has to say, as for AMQP. No chunked bodies: the vendor's clients send
lengths. A request to upgrade to a web socket hands the bytes on to `websocket`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

HEAD_BYTES_MAX = 16_384
BODY_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` by their names in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    kind: str = "application/atom+xml;type=entry;charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Upgraded(Protocol):
    """What speaks on a connection that is not HTTP any more; `connection.Connection` has the same shape."""

    @property
    def is_closed(self) -> bool:
        """Whether the socket is to be closed, once everything is written."""
        ...

    def take(self) -> bytes:
        """What is to be written, out of its hands."""
        ...

    def feed(self, data: bytes) -> None:
        """What the client sent."""
        ...

    def gone(self) -> None:
        """The socket is closed."""
        ...


Respond = Callable[[Request], Response]
Upgrade = Callable[[Request], "tuple[Response, Upgraded] | None"]


class BadRequest(Exception):
    """What cannot be read as a request; `status` is the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class HttpConnection:
    """One client of the administration port."""

    def __init__(self, respond: Respond, upgrade: Upgrade) -> None:
        self._output = bytearray()
        self.idle_seconds: float | None = None
        self._respond = respond
        self._upgrade = upgrade
        self._buffer = bytearray()
        self._is_closed = False
        self._inner: Upgraded | None = None

    @property
    def is_closed(self) -> bool:
        """See `Upgraded`."""
        return self._is_closed or (self._inner is not None and self._inner.is_closed)

    def feed(self, data: bytes) -> None:
        """See `Upgraded`."""
        if self._inner is not None:
            return self._inner.feed(data)
        self._buffer += data
        try:
            while not self._is_closed and self._inner is None and (request := self._next()) is not None:
                self._take(request)
        except BadRequest as error:
            self._put(Response(error.status, str(error).encode(), "text/plain"), last=True)

    def heartbeat(self) -> None:
        """Nothing: HTTP has none."""

    def gone(self) -> None:
        """See `Upgraded`."""
        self._is_closed = True
        if self._inner is not None:
            self._inner.gone()

    def take(self) -> bytes:
        """See `Upgraded`."""
        taken = bytes(self._output)
        self._output.clear()
        return taken if self._inner is None else taken + self._inner.take()

    def _take(self, request: Request) -> None:
        upgraded = self._upgrade(request)
        if upgraded is None:
            return self._put(self._respond(request), last=request.headers.get("connection", "").lower() == "close")
        response, self._inner = upgraded
        self._put(response, last=False)
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._inner.feed(rest)

    def _next(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise BadRequest(431, f"a request's head has at most {HEAD_BYTES_MAX} bytes")
            return None
        method, target, headers = _head(bytes(self._buffer[:end]))
        length = _length(headers)
        if len(self._buffer) < end + 4 + length:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        return Request(method, target, headers, body)

    def _put(self, response: Response, *, last: bool) -> None:
        self._output += encoded(response, last=last)
        self._is_closed = self._is_closed or last


def encoded(response: Response, *, last: bool) -> bytes:
    """The answer's bytes; a switch of protocols has no body."""
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        lines += [f"Content-Type: {response.kind}", f"Content-Length: {len(response.body)}"]
    if last:
        lines.append("Connection: close")
    return "\r\n".join((*lines, "", "")).encode("latin-1", "replace") + response.body


def _head(data: bytes) -> tuple[str, str, dict[str, str]]:
    first, *rest = data.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(400, "no HTTP/1.1 request")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest(400, "a header without a colon")
        headers[name.strip().lower()] = value.strip()
    return words[0], words[1], headers


def _length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequest(501, "a body of chunks; send its length")
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise BadRequest(400, "the length is no number")
    if int(text) > BODY_BYTES_MAX:
        raise BadRequest(413, f"a body has at most {BODY_BYTES_MAX} bytes")
    return int(text)
