"""Sockets: what comes in is fed to a speaker of AMQP or HTTP, what it has to say is written when `server` allows it.

A listener with a certificate takes plain clients and clients with TLS on one port: TLS begins with a byte that neither
AMQP nor HTTP begins with.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, Self

_TLS_HANDSHAKE = 0x16
_FIRST_BYTE_SECONDS = 30.0


class Speaker(Protocol):
    """One side of a protocol without sockets: `amqp.connection.Connection`, `admin.http.HttpConnection`."""

    idle_seconds: float | None

    @property
    def is_closed(self) -> bool:
        """Whether the socket is to be closed, once everything is written."""
        ...

    def feed(self, data: bytes) -> None:
        """What the client sent. Never raises."""
        ...

    def take(self) -> bytes:
        """What is to be written, out of its hands."""
        ...

    def heartbeat(self) -> None:
        """Says something, where the protocol has something to say."""
        ...

    def gone(self) -> None:
        """The socket is closed."""
        ...


class House(Protocol):
    """What a client needs of the server."""

    clients: "set[Client]"

    def wake(self) -> None:
        """There is something to be written."""
        ...


class Client(asyncio.Protocol):
    """One socket."""

    def __init__(self, speaker: Speaker, house: House) -> None:
        self.speaker = speaker
        self.transport: asyncio.Transport | None = None
        self._house = house
        self._beat: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._house.clients.add(self)

    def data_received(self, data: bytes) -> None:
        self.speaker.feed(data)
        if self._beat is None and self.speaker.idle_seconds is not None:
            self._keep_beating(self.speaker.idle_seconds / 2)
        self._house.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._house.clients.discard(self)
        if self._beat is not None:
            self._beat.cancel()
        self.speaker.gone()
        self._house.wake()

    def pause_writing(self) -> None:
        """A client that does not read is not listened to either."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def write(self, data: bytes, *, last: bool) -> None:
        """Writes it; `last`: and closes the socket then."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)
            if last:
                self.transport.close()

    def _keep_beating(self, seconds: float) -> None:
        self.speaker.heartbeat()
        self._beat = asyncio.get_running_loop().call_later(seconds, self._keep_beating, seconds)
        self._house.wake()


class Listener:
    """A port."""

    def __init__(self, made: Callable[[], Client], place: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._made = made
        self._socket = place
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.port: int = place.getsockname()[1]

    @classmethod
    async def opened(cls, made: Callable[[], Client], host: str, port: int, tls: ssl.SSLContext | None) -> Self:
        """Listens; port 0 takes a free one. Raises `OSError`."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        place = socket.create_server(found[0][4][:2], family=found[0][0], backlog=1024)
        place.setblocking(False)
        listener = cls(made, place, tls)
        listener._spawn(listener._accept())
        return listener

    def close(self) -> None:
        """Takes nobody any more; who is there stays."""
        for task in list(self._tasks):
            task.cancel()
        self._socket.close()

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(0.1)  # too many files are open: there will be fewer again
                continue
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._welcome(client))

    async def _welcome(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            tls = self._tls if self._tls is not None and await _speaks_tls(client) else None
            await loop.connect_accepted_socket(self._made, client, ssl=tls)
        except OSError:
            client.close()
        except asyncio.CancelledError:  # the listener is closed, and nobody else knows of this socket
            client.close()
            raise


def _tell(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


async def _speaks_tls(client: socket.socket) -> bool:
    """Looks at the first byte, and leaves it where it is."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(client, _tell, readable)
    try:
        await asyncio.wait_for(readable, _FIRST_BYTE_SECONDS)
    finally:
        loop.remove_reader(client)
    return client.recv(1, socket.MSG_PEEK)[:1] == bytes([_TLS_HANDSHAKE])
