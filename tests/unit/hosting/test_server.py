"""The server: one write per answer, heads that do not grow for ever, addresses that cannot be had."""

import asyncio
import os
import signal
import socket

import pytest
from starlette.types import Receive, Scope, Send

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.server import HEAD_BYTES_MAX, OneWrite, Server, listen, url_of


class Written(asyncio.Transport):
    """Remembers what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


async def test_head_and_body_are_one_write() -> None:
    transport = Written()
    one = OneWrite(transport)
    one.write(HEAD)
    one.write(b"{}")
    await asyncio.sleep(0)
    assert transport.writes == [HEAD + b"{}"]


async def test_a_head_whose_body_comes_later_does_not_wait_for_it() -> None:
    transport = Written()
    one = OneWrite(transport)
    one.write(HEAD)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]
    one.write(b"{}")
    assert transport.writes == [HEAD, b"{}"]


async def test_closing_leaves_nothing_unsent() -> None:
    transport = Written()
    one = OneWrite(transport)
    one.write(HEAD)
    one.close()
    assert (transport.writes, transport.closed) == ([HEAD], True)


async def answer_ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def exchange(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(65536), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("filler", [b"X-More: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
async def test_a_head_that_grows_for_ever_is_refused(filler: bytes) -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = Server(answer_ok, on_start=lambda: None, on_signal=lambda: None)
    running = asyncio.create_task(server._serve([listener]))
    assert (await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-First: "
    refused = await exchange(port, head, filler * (HEAD_BYTES_MAX // len(filler) + 100))
    assert refused.startswith(b"HTTP/1.1 400")
    assert b"too large" in refused
    assert (await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")
    server.should_exit = True
    await running


async def test_the_first_signal_is_told_and_the_second_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    server = Server(answer_ok, on_start=lambda: None, on_signal=lambda: told.append("signal"))
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.sleep(0)
    assert (told, ended) == (["signal"], [])
    server.handle_exit(signal.SIGINT, None)
    assert ended == [128 + signal.SIGINT]


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError, match=r"127\.0\.0\.1, port \d+: Address"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_host_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match="cannot listen on no-such-host"):
        listen("no-such-host.invalid", 0)


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")])
def test_the_url_that_clients_use(host: str, name: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as bound:
        try:
            bound.bind((host, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        assert url_of(bound, host) == f"http://{name}:{bound.getsockname()[1]}"
