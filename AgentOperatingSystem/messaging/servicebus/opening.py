"""Opens the bus on the Service Bus namespace of a configuration; called by the composition."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.messaging.servicebus.bus import ServiceBusBus
from AgentOperatingSystem.messaging.servicebus.publications import Copies, Route
from AgentOperatingSystem.messaging.servicebus.records import Places
from AgentOperatingSystem.storage.ports import BlobStore

if TYPE_CHECKING:
    from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager

SESSIONS_MAX = 32
"""Each session that a host holds is a connection of the SDK."""


async def opened(
    config: AOSConfig,
    clock: Clock,
    copies: Copies,
    blobs: BlobStore | None = None,
    close: Callable[[], Awaitable[object]] | None = None,
    *,
    credential: Any = None,
    route: Route | None = None,
    bus_type: type[ServiceBusBus] = ServiceBusBus,
) -> ServiceBusBus:
    """The bus on the namespace that the configuration names, with the queue, topic and subscription named there.

    Nothing is connected to before something is sent or received. `blobs` is a store of its own for bodies too large for
    the broker, and `close` lets go of it; `credential` is the host's identity, for a namespace without a connection
    string. Raises `ConfigurationError`.
    """
    connection = _connection(config, credential)
    return bus_type(
        connection,
        clock,
        copies,
        blobs=blobs,
        route=route,
        places=places_of(config),
        turn_events_max=config.turn_events_max,
        pending_max=config.max_pending_events,
        sessions_max=min(SESSIONS_MAX, config.max_concurrent_turns),
        on_close=close,
    )


async def looked_at(config: AOSConfig, credential: Any = None) -> str:
    """What the namespace says to somebody who sends nothing and takes nothing: that this host may do both.

    Raises `ConfigurationError`, `StoreUnavailable`.
    """
    connection, places = _connection(config, credential, retries=0), places_of(config)
    try:
        for entity in (places.queue, places.topic):
            await connection.send(entity, ())
        router = f"{places.topic}/{places.router}"
        await connection.peek(router, 0, 1)
    finally:
        await connection.close()
    return f"this host may send to {places.queue} and {places.topic}, and receive from {router}"


def _connection(config: AOSConfig, credential: Any, **options: int) -> "ServiceBusManager":
    from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager  # loads azure-servicebus

    secret = config.servicebus_connection_string
    return ServiceBusManager(
        secret.get_secret_value if secret is not None else None,
        namespace=config.servicebus_fully_qualified_namespace,
        credential=credential,
        **options,
    )


def places_of(config: AOSConfig) -> Places:
    """The names of the entities."""
    return Places(
        queue=config.servicebus_queue,
        topic=config.servicebus_topic,
        router=config.servicebus_router_subscription,
        log=config.servicebus_log_subscription or "",
    )
