"""The sockets, and the gate before them: nothing is said to a client before what it depends on is on the disk.

Each round takes the changes since the last one and everything that is to be written to clients, commits and fsyncs the
changes in a thread, and then writes. While one round is on the disk the next one gathers, so many clients share one
fsync. Made by `aos servicebus up` and by tests; composes all other modules.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from AgentOperatingSystem.hosting.servicebus_emulator.admin import websocket
from AgentOperatingSystem.hosting.servicebus_emulator.admin.api import Administration
from AgentOperatingSystem.hosting.servicebus_emulator.admin.entities import Entities
from AgentOperatingSystem.hosting.servicebus_emulator.admin.http import HttpConnection
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.connection import Connection
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Nothing, World
from AgentOperatingSystem.hosting.servicebus_emulator.front.peer import Peer
from AgentOperatingSystem.hosting.servicebus_emulator.front.tokens import Gatekeeper, Keyring
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    AccessKey,
    NamespaceSettings,
    QueueSettings,
    TopicSettings,
)
from AgentOperatingSystem.hosting.servicebus_emulator.sockets import Client, Listener
from AgentOperatingSystem.hosting.servicebus_emulator.store import Store

_ANY_KEY = AccessKey(name="RootManageSharedAccessKey", key="SAS_KEY_VALUE")
STORE_FILE = "servicebus.sqlite"
_log = logging.getLogger(__name__)


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
        keys: dict[str, str] | tuple[AccessKey, ...] | None = None,
    ) -> None:
        self.clients: set[Client] = set()
        self.port = 0
        self.tls_port: int | None = None
        self.admin_port: int | None = None
        self._keys = _access_keys(keys)
        self._now = now_seconds
        self._store = _opened(data_dir)
        self._world = World(lambda: round(now_seconds() * 1000), self._store or Nothing(), settings.limits)
        self._namespace = Namespace(settings, self._world)
        self._world.timers.on_earlier = self._set_alarm
        self._keyring = Keyring(self._keys, self._namespace.keys_of, now_seconds)
        self._alarm: asyncio.TimerHandle | None = None
        self._work = asyncio.Event()
        self._entities = Entities(self._namespace, self._world)
        self._admin = Administration(self._entities, self._world, self._keyring, self._is_healthy)
        self._listeners: list[Listener] = []
        self._rounds: asyncio.Task[None] | None = None
        self._commit: asyncio.Future[None] | None = None

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        admin_port: int | None = None,
        tls: ssl.SSLContext | None = None,
        tls_port: int | None = None,
    ) -> None:
        """Restores what was kept and listens: AMQP on `port`, with TLS on `tls_port`, administration on `admin_port`
        (HTTP, and HTTPS where `tls` is given). 0 takes a free port, None does not listen. Raises `OSError`."""
        if self._store is not None:
            for row in self._store.entities():
                self._entities.restore(*row)
            unknown = self._store.load(self._namespace)
            if unknown:
                _log.warning("%d kept messages are of entities that the configuration does not name", unknown)
        try:
            self.port = await self._listen(self._amqp_client, host, port)
            if tls_port is not None and tls is not None:
                self.tls_port = await self._listen(self._amqp_client, host, tls_port, tls)
            if admin_port is not None:
                self.admin_port = await self._listen(self._admin_client, host, admin_port, tls)
        except OSError:
            self._close_listeners()
            raise
        self._rounds = asyncio.create_task(self._run_rounds())
        self._set_alarm()

    async def _listen(
        self, client: Callable[[], Client], host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> int:
        listener = await Listener.opened(client, host, port, tls)
        self._listeners.append(listener)
        return listener.port

    def _close_listeners(self) -> None:
        while self._listeners:
            self._listeners.pop().close()

    def _amqp_connection(self) -> Connection:
        peer = Peer(self._namespace, self._world, Gatekeeper(self._keyring, self._is_known))
        return Connection(lambda connection, link: peer.attached(link))

    def _is_known(self, path: str) -> bool:
        return self._namespace.find(path) is not None

    def _is_healthy(self) -> bool:
        return self._rounds is not None and not self._rounds.done()

    def _amqp_client(self) -> Client:
        return Client(self._amqp_connection(), self)

    def _admin_client(self) -> Client:
        upgrade = partial(websocket.upgraded, connection=self._amqp_connection)
        return Client(HttpConnection(self._admin.respond, upgrade), self)

    async def stop(self) -> None:
        """Closes every connection and the file; what was accepted is kept."""
        self._close_listeners()
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

    def declare(self, *entities: QueueSettings | TopicSettings) -> None:
        """Queues and topics beside those of the settings, not kept over restarts. Raises `ServiceBusRefusal`."""
        for each in entities:
            if isinstance(each, QueueSettings):
                self._namespace.add_queue(each)
            else:
                self._namespace.add_topic(each)

    async def failed(self) -> None:
        """Waits for ever, or raises what ended the rounds: a disk that cannot be written to ends the broker."""
        if self._rounds is not None:
            await asyncio.shield(self._rounds)  # who stops waiting does not stop the broker

    def url(self, host: str = "localhost") -> str:
        """Where administration listens, over plain HTTP."""
        return f"http://{host}:{self.admin_port}"

    def connection_string(self, host: str = "localhost") -> str:
        """What clients on this machine connect with."""
        key = self._keys[0] if self._keys else _ANY_KEY
        endpoint = f"Endpoint=sb://{host}:{self.port}"
        return f"{endpoint};SharedAccessKeyName={key.name};SharedAccessKey={key.key};UseDevelopmentEmulator=true;"

    def wake(self) -> None:
        """There is something to be written, to the disk or to clients."""
        self._work.set()

    async def _run_rounds(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            changes = self._store.take() if self._store is not None else None
            writes = [(each, each.speaker.take(), each.speaker.is_closed) for each in list(self.clients)]
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


def _access_keys(keys: dict[str, str] | tuple[AccessKey, ...] | None) -> tuple[AccessKey, ...]:
    if isinstance(keys, tuple):
        return keys
    return tuple(AccessKey(name=name, key=key) for name, key in (keys or {}).items())


def _opened(data_dir: Path | None) -> Store | None:
    if data_dir is None:
        return None
    data_dir.mkdir(parents=True, exist_ok=True)
    return Store(data_dir / STORE_FILE)
