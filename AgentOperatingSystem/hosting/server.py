"""The HTTP server of a host: uvicorn, with signals that drain before they end, and heads of requests that cannot grow
for ever.

Made and run by `hosting/local.py`.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from AgentOperatingSystem.errors import ConfigurationError

BACKLOG = 2048
HEAD_BYTES_MAX = 256 << 10
KEEP_ALIVE_SECONDS = 75
LAST_ANSWERS_SECONDS = 5
"""How long answers that are being sent may take after the drain."""


class OneWrite:
    """A transport that sends the head of an answer together with the body that follows it: one system call for both."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Keeps the head back until the body comes, or until the loop turns again."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1. A head that is still incomplete after `HEAD_BYTES_MAX` is refused: the parser alone would keep all of
    it.
    """

    _head_bytes = 0
    _in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.transport = OneWrite(transport)  # type: ignore[assignment]  # it has all of a transport's methods

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


class Server(uvicorn.Server):
    """Serves an application until `should_exit`. The first signal calls `on_signal`, the second ends the process.

    `on_start` is called when it listens.
    """

    def __init__(self, app: Any, *, on_start: Callable[[], object], on_signal: Callable[[], object]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
            )
        )
        self._on_start = on_start
        self._on_signal = on_signal
        self._loop = asyncio.get_running_loop()
        self._signalled = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._signalled:
            os._exit(128 + sig)
        self._signalled = True
        self._loop.call_soon_threadsafe(self._on_signal)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigurationError` where the address is not to be had, and says why."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            if os.name != "nt":  # there it would let two processes share the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            unless_bound.pop_all()
            return listener
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None


def url_of(listener: socket.socket, host: str) -> str:
    """Where clients on this machine find the server."""
    port = listener.getsockname()[1]
    name = "localhost" if host in ("0.0.0.0", "::", "") else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
