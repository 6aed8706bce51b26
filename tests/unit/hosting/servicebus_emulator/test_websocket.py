"""Web sockets without sockets: frames by the examples of RFC 6455, in pieces, and broken."""

import pytest

from AgentOperatingSystem.hosting.servicebus_emulator.admin.http import HttpConnection, Request, Response
from AgentOperatingSystem.hosting.servicebus_emulator.admin.websocket import FRAME_BYTES_MAX, WebSocket, upgraded

MASK = b"\x37\xfa\x21\x3d"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of RFC 6455, part 1.3
REQUEST = (
    f"GET /$servicebus/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n"
    "Sec-WebSocket-Protocol: AMQPWSB10\r\n\r\n"
).encode()


class Echo:
    """Says what it hears."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.is_closed = False

    def feed(self, data: bytes) -> None:
        self.heard += data

    def take(self) -> bytes:
        said = bytes(self.heard)
        self.heard.clear()
        return said

    def gone(self) -> None:
        self.is_closed = True


def masked(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    hidden = bytes(each ^ MASK[place % 4] for place, each in enumerate(payload))
    return bytes([0x80 | kind]) + length + MASK + hidden


def test_the_upgrade_answers_as_the_rfc_says_and_passes_on_what_came_with_it() -> None:
    echo = Echo()
    connection = HttpConnection(lambda request: Response(404), lambda request: upgraded(request, lambda: echo))
    connection.feed(REQUEST + masked(2, b"Hello"))
    said = connection.take()
    assert said.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: " + ACCEPT in said
    assert b"Sec-WebSocket-Protocol: AMQPWSB10" in said
    assert said.endswith(b"\r\n\r\n\x82\x05Hello")


def test_other_paths_are_no_web_socket() -> None:
    request = Request("GET", "/elsewhere", {"upgrade": "websocket", "sec-websocket-key": KEY})
    assert upgraded(request, Echo) is None


@pytest.mark.parametrize("size", [0, 5, 125, 126, 5000])
def test_frames_come_in_pieces(size: int) -> None:
    echo, payload = Echo(), bytes(range(256)) * 20
    socket = WebSocket(echo)
    for each in masked(2, payload[:size]):
        socket.feed(bytes([each]))
    assert bytes(echo.heard) == payload[:size]


def test_long_answers_say_their_length() -> None:
    echo = Echo()
    socket = WebSocket(echo)
    for size, head in ((126, b"\x82\x7e\x00\x7e"), (70_000, b"\x82\x7f" + (70_000).to_bytes(8, "big"))):
        echo.heard += b"x" * size
        assert socket.take() == head + b"x" * size


def test_pings_are_answered_and_a_close_closes() -> None:
    echo = Echo()
    socket = WebSocket(echo)
    socket.feed(masked(9, b"here?"))
    assert socket.take() == b"\x8a\x05here?"
    socket.feed(masked(8, b"\x03\xe8bye"))
    assert (socket.take(), socket.is_closed, echo.is_closed) == (b"\x88\x02\x03\xe8", True, True)


@pytest.mark.parametrize("broken", [b"\x82\x05Hello", b"\x82\xff" + (FRAME_BYTES_MAX + 1).to_bytes(8, "big")])
def test_what_is_not_masked_or_too_long_closes(broken: bytes) -> None:
    socket = WebSocket(Echo())
    socket.feed(broken)
    assert socket.is_closed
