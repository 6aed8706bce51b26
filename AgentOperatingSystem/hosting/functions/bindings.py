"""Which triggers there are, and what they are bound to: read from the configuration while `function_app.py` is loaded.

It runs at every cold start, so it reads the configuration and loads nothing else.
"""

from dataclasses import dataclass

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.carriers import bus_of

SERVICEBUS, STORAGE_QUEUE = "servicebus", "storage_queue"
PUSHING = (SERVICEBUS, STORAGE_QUEUE)
"""The brokers whose messages the Functions host takes and pushes; from others the system takes its turns itself."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """The names that the triggers' declarations need."""

    bus: str
    """What carries messages."""
    connection: str
    """The app setting, or the prefix of app settings, by which the Functions host connects to it."""
    queue: str
    """The mailbox queue."""
    topic: str
    subscription: str
    """Where publications are taken from, to be copied to their subscribers."""
    pulse_schedule: str
    has_event_grid: bool

    @property
    def has_servicebus(self) -> bool:
        """Whether a session queue and a topic push."""
        return self.bus == SERVICEBUS

    @property
    def has_storage_queue(self) -> bool:
        """Whether a storage queue pushes."""
        return self.bus == STORAGE_QUEUE


def bindings(config: AOSConfig | None = None) -> Bindings:
    """The bindings of a configuration; by default of files and environment. Raises `ConfigurationError`."""
    config = config or AOSConfig()
    bus = bus_of(config)
    return Bindings(
        bus=bus,
        connection=connection_of(config, bus),
        queue=config.storage_queue if bus == STORAGE_QUEUE else config.servicebus_queue,
        topic=config.servicebus_topic,
        subscription=config.servicebus_router_subscription,
        pulse_schedule=config.functions_pulse_schedule,
        has_event_grid=config.functions_event_grid,
    )


def connection_of(config: AOSConfig, bus: str) -> str:
    """The setting's name, where one is set: else the variable that configures this system for the same account, else
    the platform's usual name.
    """
    if bus == STORAGE_QUEUE:
        named, ours, usual = config.functions_storage_connection, "storage_connection_string", "AzureWebJobsStorage"
    else:
        named, ours = config.functions_servicebus_connection, "servicebus_connection_string"
        usual = "ServiceBusConnection"
    origin, _, variable = config.origin(ours).partition(" ")
    return named or (variable if origin == "environment" else usual)
