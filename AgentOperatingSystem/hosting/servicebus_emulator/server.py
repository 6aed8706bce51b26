"""The sockets, and the gate before them: nothing is said to a client before what it depends on is on the disk.

Each round takes the changes since the last one and everything that is to be written to clients, commits and fsyncs the
changes in a thread, and then writes. While one round is on the disk the next one gathers, so many clients share one
fsync. Made by `aos servicebus up` and by tests; composes all other modules.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.connection import Connection
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Nothing, World
from AgentOperatingSystem.hosting.servicebus_emulator.front.peer import Peer
from AgentOperatingSystem.hosting.servicebus_emulator.front.tokens import Gatekeeper
from AgentOperatingSystem.hosting.servicebus_emulator.settings import NamespaceSettings
from AgentOperatingSystem.hosting.servicebus_emulator.store import Store

STORE_FILE = "servicebus.sqlite"
_log = logging.getLogger(__name__)


class _Client(asyncio.Protocol):
    """One socket."""

    def __init__(self, server: "LocalServiceBus") -> None:
        self._server = server
        self.transport: asyncio.Transport | None = None
        self.connection = Connection(lambda connection, link: self._peer.attached(link))
        self._peer = server.peer()
        self._beat: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.clients.add(self)

    def data_received(self, data: bytes) -> None:
        self.connection.feed(data)
        if self._beat is None and self.connection.idle_seconds is not None:
            self._keep_beating(self.connection.idle_seconds / 2)
        self._server.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.clients.discard(self)
        if self._beat is not None:
            self._beat.cancel()
        self.connection.gone()
        self._server.wake()

    def pause_writing(self) -> None:
        """A client that does not read is not listened to either."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def take_output(self) -> bytes:
        """What is to be written, out of the connection's hands."""
        taken = bytes(self.connection.output)
        self.connection.output.clear()
        return taken

    def write(self, data: bytes, *, last: bool) -> None:
        """Writes it; `last`: and closes the socket then."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)
            if last:
                self.transport.close()

    def _keep_beating(self, seconds: float) -> None:
        self.connection.heartbeat()
        self._beat = asyncio.get_running_loop().call_later(seconds, self._keep_beating, seconds)
        self._server.wake()


class LocalServiceBus:
    """A running broker.

    `now_seconds` is the clock (UTC since 1970); `data_dir` keeps the state over restarts, None keeps nothing; with
    `keys` (name to key) tokens are checked, without any client may do everything.
    """

    def __init__(
        self,
        settings: NamespaceSettings,
        *,
        now_seconds: Callable[[], float],
        data_dir: Path | None = None,
        keys: dict[str, str] | None = None,
    ) -> None:
        self.clients: set[_Client] = set()
        self.port = 0
        self._keys = keys or {}
        self._now = now_seconds
        self._store = _opened(data_dir)
        self._world = World(lambda: round(now_seconds() * 1000), self._store or Nothing(), settings.limits)
        self._namespace = Namespace(settings, self._world)
        self._world.timers.on_earlier = self._set_alarm
        self._alarm: asyncio.TimerHandle | None = None
        self._work = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._rounds: asyncio.Task[None] | None = None
        self._commit: asyncio.Future[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Restores what was kept and listens; `port` 0 takes a free one. Raises `OSError` where it cannot listen."""
        if self._store is not None:
            unknown = self._store.load(self._namespace)
            if unknown:
                _log.warning("%d kept messages are of entities that the configuration does not name", unknown)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._rounds = asyncio.create_task(self._run_rounds())
        self._set_alarm()

    async def stop(self) -> None:
        """Closes every connection and the file; what was accepted is kept."""
        if self._server is not None:
            self._server.close()
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        if self._commit is not None:
            await asyncio.gather(self._commit, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()
        for client in list(self.clients):
            if client.transport is not None:
                client.transport.abort()
        await asyncio.sleep(0)
        if self._store is not None:
            self._store.close()

    async def failed(self) -> None:
        """Waits for ever, or raises what ended the rounds: a disk that cannot be written to ends the broker."""
        if self._rounds is not None:
            await self._rounds

    def connection_string(self, host: str = "localhost") -> str:
        """What clients on this machine connect with."""
        name, key = next(iter(self._keys.items()), ("RootManageSharedAccessKey", "SAS_KEY_VALUE"))
        endpoint = f"Endpoint=sb://{host}:{self.port}"
        return f"{endpoint};SharedAccessKeyName={name};SharedAccessKey={key};UseDevelopmentEmulator=true;"

    def peer(self) -> Peer:
        """The links of a new client."""
        return Peer(self._namespace, self._world, Gatekeeper(self._keys, self._now))

    def wake(self) -> None:
        """There is something to be written, to the disk or to clients."""
        self._work.set()

    async def _run_rounds(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            changes = self._store.take() if self._store is not None else None
            writes = [(each, each.take_output(), each.connection.is_closed) for each in list(self.clients)]
            if changes is not None and self._store is not None:
                self._commit = asyncio.ensure_future(asyncio.to_thread(self._store.commit, changes))
                await asyncio.shield(self._commit)  # `stop` lets it end before it closes the file
            for client, data, last in writes:
                if data or last:
                    client.write(data, last=last)

    def _set_alarm(self) -> None:
        when = self._world.timers.next_ms()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if when is not None:
            seconds = max(when / 1000 - self._now(), 0.0)
            self._alarm = asyncio.get_running_loop().call_later(min(seconds + 0.001, 3600.0), self.tick)

    def tick(self) -> None:
        """Does what is due by the clock; called by itself, and by tests that move the clock."""
        self._world.timers.run(round(self._now() * 1000))
        self._set_alarm()
        self.wake()


def _opened(data_dir: Path | None) -> Store | None:
    if data_dir is None:
        return None
    data_dir.mkdir(parents=True, exist_ok=True)
    return Store(data_dir / STORE_FILE)
