"""Which store, blobs and broker a configuration opens; called by the composition file alone.

    store      blobs        bus
    embedded   a folder     embedded | servicebus
    postgres   postgres     postgres
    azure      azure        servicebus | storage_queue | embedded

`config/carriers.py` says which. Each vendor's adapter is imported when it is chosen.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.carriers import bus_of as bus_of
from AgentOperatingSystem.config.carriers import store_of as store_of
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging import embedded
from AgentOperatingSystem.messaging.ports import Broker
from AgentOperatingSystem.storage.folder import FolderBlobStore
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.sqlite.engine import Engine
from AgentOperatingSystem.storage.sqlite.store import SCHEMA, SqliteAgentStore

Copies = Callable[[Event], Sequence[Event]]
Collect = Callable[[float], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Opened:
    """What one host runs on."""

    store: AgentStore
    blobs: BlobStore
    bus: Broker
    engine: Engine | None = None
    """The file of what is embedded."""
    collect: Collect | None = None
    """For housekeeping: deletes the store's own blobs that no row points at and that are older than so many seconds."""

    is_shared: bool = False
    """Whether the bus may hand an event that is waited for here to another host, and tell this one nothing of it."""

    auth: Auth | None = None
    """Who the host is to Azure, and the secrets of its configuration."""

    async def close(self) -> None:
        """Lets go of all of it: the bus hands out nothing more, then the store closes, and the blobs with it."""
        await self.bus.close()
        await self.store.close()
        if self.engine is not None:
            await self.engine.close()
        if self.auth is not None:
            await self.auth.close()


class Engines:
    """Opens what one configuration names. Proofs subclass it, to set traps on the way."""

    sqlite_store: ClassVar[type[SqliteAgentStore]] = SqliteAgentStore
    embedded_bus: ClassVar[type[embedded.EmbeddedBus]] = embedded.EmbeddedBus

    def __init__(
        self,
        config: AOSConfig,
        clock: Clock,
        copies: Copies,
        auth: Auth | None = None,
        route: Callable[[Event], Event] | None = None,
    ) -> None:
        """`route` addresses what others publish and nobody has subscribed to."""
        self._config = config
        self._clock = clock
        self._copies = copies
        self._auth = auth or Auth(config, clock)
        self._route = route

    async def open(self) -> Opened:
        """Reads the configuration's secrets, then opens what they belong to.

        Raises `ConfigurationError`, also where a package is not installed or a secret is refused; `Unavailable` where
        a secret cannot be read for now; `StoreUnavailable`.
        """
        await self._auth.open()
        try:
            return replace(await self._open(), auth=self._auth)
        except BaseException:
            await self._auth.close()
            raise

    async def _open(self) -> Opened:
        store, bus = store_of(self._config), bus_of(self._config)
        if bus == "servicebus":
            return await self.on_servicebus(store)
        if store == "postgres" and bus == "postgres":
            return await self.on_postgres()
        if store == "azure":
            return await self.on_azure(bus)
        if store == bus == "embedded":
            return await self.on_file()
        raise ConfigurationError(f"the store {store!r} with the bus {bus!r} cannot be opened")

    async def on_file(self) -> Opened:
        """One SQLite file for state, mailbox and outbox; one fsync for receive, commit and publish."""
        engine = self._file(*SCHEMA)
        bus = await self._embedded_bus(engine)
        return Opened(self.sqlite_store(engine, bus), self._folder_blobs(), bus, engine)

    async def on_postgres(self) -> Opened:
        """State, mailbox and outbox in the database of `database_url`, which several hosts may share."""
        from AgentOperatingSystem.messaging.postgres.opening import opened  # loads asyncpg

        return Opened(*await opened(self._config, self._clock, self._copies))

    async def on_azure(self, bus: str) -> Opened:
        """State in tables and blobs of one account; a broker beside it carries."""
        from AgentOperatingSystem.storage import azure

        store, blobs, collect = await azure.opened(self._config, self._clock, self._auth.identity)
        try:
            if bus == "storage_queue":
                return Opened(store, blobs, await self.storage_queue(), collect=collect, is_shared=True)
            if bus != "embedded":
                raise ConfigurationError(f"the store 'azure' with the bus {bus!r} cannot be opened")
            engine = self._file()
            return Opened(store, blobs, await self._embedded_bus(engine), engine, collect)
        except BaseException:
            await store.close()
            raise

    async def storage_queue(self) -> Broker:
        """The queue beside the tables, in the same account."""
        from AgentOperatingSystem.messaging.azure.opening import opened

        return await opened(self._config, self._clock, self._copies, self._auth.identity)

    async def on_servicebus(self, store: str) -> Opened:
        """Service Bus carries, and tables or a file keep state; a store of its own keeps what is too large for it."""
        from AgentOperatingSystem.messaging.servicebus.opening import opened

        async with AsyncExitStack() as unless_opened:
            if store == "azure":
                from AgentOperatingSystem.messaging.azure.opening import claims
                from AgentOperatingSystem.storage import azure

                kept, blobs, collect = await azure.opened(self._config, self._clock, self._auth.identity)
                unless_opened.push_async_callback(kept.close)
                large, close = await claims(self._config, self._clock, self._auth.identity)
                unless_opened.push_async_callback(close)
                bus = await self._servicebus(opened, large, close)
                unless_opened.pop_all()
                return Opened(kept, blobs, bus, collect=collect, is_shared=True)
            if store != "embedded":
                raise ConfigurationError(f"the store {store!r} with the bus 'servicebus' cannot be opened")
            engine = Engine(self._folder() / "aos.db", SCHEMA)
            unless_opened.push_async_callback(engine.close)
            bus = await self._servicebus(opened, FolderBlobStore(self._folder() / "claims", self._clock))
            unless_opened.pop_all()
            return Opened(self.sqlite_store(engine), self._folder_blobs(), bus, engine, is_shared=True)

    async def _servicebus(self, opened: Callable[..., Awaitable[Broker]], *large: object) -> Broker:
        return await opened(
            self._config, self._clock, self._copies, *large, credential=self._auth.identity, route=self._route
        )

    def _file(self, *schema: str) -> Engine:
        return Engine(self._folder() / "aos.db", (*schema, *embedded.SCHEMA))

    def _folder(self) -> Path:
        folder = Path(self._config.data_dir)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _folder_blobs(self) -> FolderBlobStore:
        return FolderBlobStore(self._folder() / "blobs", self._clock)

    async def _embedded_bus(self, engine: Engine) -> embedded.EmbeddedBus:
        limits = {
            "turn_events_max": self._config.turn_events_max,
            "pending_max": self._config.max_pending_events,
            "caused_turns_max": max(1, self._config.max_concurrent_turns * 3 // 4),
        }
        bus = self.embedded_bus(engine, self._folder(), self._clock, self._copies, **limits)
        await bus.open()
        return bus
