"""Opens store, blobs and bus of one database; called by the composition file."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging.postgres.bus import PostgresBus
from AgentOperatingSystem.storage.postgres.blobs import PostgresBlobStore
from AgentOperatingSystem.storage.postgres.database import Database
from AgentOperatingSystem.storage.postgres.store import PostgresAgentStore


class Opened(NamedTuple):
    """What one host has of a database. Close the bus first; closing the store closes the database."""

    store: PostgresAgentStore
    blobs: PostgresBlobStore
    bus: PostgresBus


async def opened(
    config: AOSConfig,
    clock: Clock,
    copies: Callable[[Event], Sequence[Event]],
    store_type: type[PostgresAgentStore] = PostgresAgentStore,
    bus_type: type[PostgresBus] = PostgresBus,
) -> Opened:
    """Opens the database that `database_url` names, and makes its tables where they are missing.

    Raises `ConfigurationError`, also where the extra `postgres` is not installed; `StoreUnavailable`.
    """
    if config.database_url is None:
        raise ConfigurationError("no database: set database_url")
    url = config.database_url.get_secret_value()
    database = Database(url, config.database_schema, config.database_connections_max, config.database_url)
    try:
        await database.open()
        bus = bus_type(
            database,
            clock,
            copies,
            turn_events_max=config.turn_events_max,
            pending_max=config.max_pending_events,
            lease_seconds=config.lease_seconds,
        )
        await bus.open()
    except BaseException:
        await database.close()
        raise
    return Opened(store_type(database, bus), PostgresBlobStore(database, clock), bus)
