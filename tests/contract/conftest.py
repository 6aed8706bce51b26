"""Every backend by name. A new one is a function here and a line in its table: all suites run on it then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging import embedded
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import MessageBus
from AgentOperatingSystem.storage.folder import FolderBlobStore
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.sqlite import store as sqlite
from AgentOperatingSystem.storage.sqlite.engine import Engine
from tests.clocks import CLOCK, ManualClock, ManualLoop
from tests.emulator import emulator
from tests.postgres import schema_of, server, spoil

AgentStores = Callable[[Path], AbstractAsyncContextManager[AgentStore]]


# --- AgentStore -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def memory_store(folder: Path) -> AsyncIterator[AgentStore]:
    store = MemoryAgentStore()
    yield store
    await store.close()


@asynccontextmanager
async def sqlite_store(folder: Path) -> AsyncIterator[AgentStore]:
    store = sqlite.SqliteAgentStore(Engine(folder / "aos.db", sqlite.SCHEMA))
    yield store
    await store.close()


@asynccontextmanager
async def sqlite_store_with_outbox(folder: Path) -> AsyncIterator[AgentStore]:
    engine = Engine(folder / "aos.db", (*sqlite.SCHEMA, *embedded.SCHEMA))
    bus = embedded.EmbeddedBus(engine, folder, SystemClock(), lambda event: ())
    await bus.open()
    store = sqlite.SqliteAgentStore(engine, bus)
    yield store
    await bus.close()
    await store.close()


@asynccontextmanager
async def azure_store(folder: Path) -> AsyncIterator[AgentStore]:
    """On the emulator; the folder names the table, so that opening again finds what was there."""
    from AgentOperatingSystem.storage.azure.store import AzureAgentStore

    account = await azure_account(folder, SystemClock())
    store = AzureAgentStore(account)
    yield store
    await store.close()


async def azure_account(folder: Path, clock: Clock) -> Any:
    from AgentOperatingSystem.storage.azure.account import Account
    from AgentOperatingSystem.storage.azure.calls import Calls

    prefix = "t" + sha256(str(folder).encode()).hexdigest()[:20]
    account = Account.by_connection_string(emulator().connection_string, Calls(clock), prefix)
    await account.create()
    return account


@asynccontextmanager
async def postgres_database(folder: Path) -> AsyncIterator[Any]:
    """On the tests' server; the folder names the schema, so that opening again finds what was there."""
    from AgentOperatingSystem.storage.postgres.database import Database

    database = Database(server().url, schema_of(folder), connections_max=8)
    await database.open()
    yield database
    await database.close()


@asynccontextmanager
async def postgres_store(folder: Path) -> AsyncIterator[AgentStore]:
    from AgentOperatingSystem.messaging.postgres.bus import PostgresBus
    from AgentOperatingSystem.storage.postgres.store import PostgresAgentStore

    async with postgres_database(folder) as database:
        bus = PostgresBus(database, SystemClock(), lambda event: ())
        await bus.open()
        yield PostgresAgentStore(database, bus)
        await bus.close()


AGENT_STORES: dict[str, AgentStores] = {
    "memory": memory_store,
    "sqlite": sqlite_store,
    "sqlite-outbox": sqlite_store_with_outbox,
    "azure": azure_store,
    "postgres": postgres_store,
}


@pytest.fixture(params=AGENT_STORES)
def open_store(request: pytest.FixtureRequest) -> AgentStores:
    """Opens the backend in a folder."""
    return AGENT_STORES[request.param]


@pytest.fixture
def crowd(open_store: AgentStores) -> int:
    """How many race for one agent; every one that loses reads again, over HTTP where the store is a service."""
    return 12 if open_store is azure_store else 50


@pytest.fixture
async def store(open_store: AgentStores, tmp_path: Path) -> AsyncIterator[AgentStore]:
    async with open_store(tmp_path) as store:
        yield store


# --- BlobStore --------------------------------------------------------------------------------------------------------


@dataclass
class Blobs:
    """A blob store, and the hands of an accident."""

    store: BlobStore
    damage: Callable[[str], None]
    """Changes the bytes of a blob behind the store's back."""
    clock: ManualClock


@asynccontextmanager
async def memory_blobs(folder: Path) -> AsyncIterator[Blobs]:
    clock = ManualClock()
    store = MemoryBlobStore(clock)

    def damage(name: str) -> None:
        content, put_at = store.blobs[name]
        store.blobs[name] = (b"!" + content[1:], put_at)

    yield Blobs(store, damage, clock)


@asynccontextmanager
async def folder_blobs(folder: Path) -> AsyncIterator[Blobs]:
    clock = ManualClock()

    def damage(name: str) -> None:
        path = folder / "blobs" / name[:2] / name[2:4] / name
        path.write_bytes(b"!" + path.read_bytes()[1:])

    yield Blobs(FolderBlobStore(folder / "blobs", clock), damage, clock)


@asynccontextmanager
async def azure_blobs(folder: Path) -> AsyncIterator[Blobs]:
    from azure.storage.blob import BlobClient

    clock = ManualClock()
    account = await azure_account(folder / "blobs", clock)

    def damage(name: str) -> None:
        container = account.blobs._container.container_name
        with BlobClient.from_connection_string(emulator().connection_string, container, name) as blob:
            properties = blob.get_blob_properties()
            content = blob.download_blob().readall()
            blob.upload_blob(b"!" + content[1:], overwrite=True, metadata=properties.metadata)

    yield Blobs(account.blobs, damage, clock)
    await account.close()


@asynccontextmanager
async def postgres_blobs(folder: Path) -> AsyncIterator[Blobs]:
    from AgentOperatingSystem.storage.postgres.blobs import PostgresBlobStore

    clock = ManualClock()
    async with postgres_database(folder / "blobs") as database:
        yield Blobs(PostgresBlobStore(database, clock), partial(spoil, schema_of(folder / "blobs")), clock)


BLOB_STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[Blobs]]] = {
    "memory": memory_blobs,
    "folder": folder_blobs,
    "azure": azure_blobs,
    "postgres": postgres_blobs,
}


@pytest.fixture(params=BLOB_STORES)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    async with BLOB_STORES[request.param](tmp_path) as blobs:
        yield blobs


# --- MessageBus -------------------------------------------------------------------------------------------------------


Copies = Callable[[Event], Sequence[Event]]


@dataclass
class BusMaker:
    """Opens one backend in a folder; what was opened is closed at the end of the test."""

    open_bus: Callable[..., AbstractAsyncContextManager[MessageBus]]
    folder: Path
    stack: AsyncExitStack

    async def __call__(self, copies: Copies = lambda event: (), **limits: int) -> MessageBus:
        return await self.stack.enter_async_context(self.open_bus(self.folder, copies, **limits))


@asynccontextmanager
async def memory_bus(folder: Path, copies: Copies, **limits: Any) -> AsyncIterator[MessageBus]:
    bus = MemoryBus(CLOCK, copies, **limits)
    yield bus
    await bus.close()


@asynccontextmanager
async def embedded_bus(folder: Path, copies: Copies, **limits: Any) -> AsyncIterator[MessageBus]:
    engine = Engine(folder / "bus.db", embedded.SCHEMA)
    bus = embedded.EmbeddedBus(engine, folder, CLOCK, copies, **limits)
    await bus.open()
    yield bus
    await bus.close()
    await engine.close()


@asynccontextmanager
async def postgres_bus(folder: Path, copies: Copies, **limits: Any) -> AsyncIterator[MessageBus]:
    from AgentOperatingSystem.messaging.postgres.bus import PostgresBus

    async with postgres_database(folder) as database:
        loop = asyncio.get_running_loop()
        if isinstance(loop, ManualLoop):
            loop.others_at_work = lambda: database.under_way > 0
        bus = PostgresBus(database, CLOCK, copies, **limits)
        await bus.open()
        yield bus
        await bus.close()


@asynccontextmanager
async def queue_bus(folder: Path, copies: Copies, **limits: Any) -> AsyncIterator[MessageBus]:
    from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus
    from tests.azure_service import queue_post

    post = await queue_post(folder, CLOCK)
    loop = asyncio.get_running_loop()
    if isinstance(loop, ManualLoop):
        loop.others_at_work = lambda: post.under_way > 0
    bus = StorageQueueBus(post, CLOCK, copies, **limits)
    yield bus
    await bus.close()


@asynccontextmanager
async def servicebus_bus(folder: Path, copies: Copies, **limits: Any) -> AsyncIterator[MessageBus]:
    from tests.servicebus_bus import bridged_bus

    async with bridged_bus(copies, **limits) as bus:
        loop = asyncio.get_running_loop()
        if isinstance(loop, ManualLoop):
            loop.others_at_work = bus.is_at_work
        yield bus


BUSES: dict[str, Callable[..., AbstractAsyncContextManager[MessageBus]]] = {
    "memory": memory_bus,
    "embedded": embedded_bus,
    "postgres": postgres_bus,
    "storage-queue": queue_bus,
    "servicebus": servicebus_bus,
}


@pytest.fixture(params=BUSES)
async def make_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BusMaker]:
    async with AsyncExitStack() as stack:
        yield BusMaker(BUSES[request.param], tmp_path, stack)
