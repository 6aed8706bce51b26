"""Which store and which broker a configuration names: what the settings `store` and `bus` say, and `auto` means.

Pure, and cheap to import: the composition asks here, and so does `function_app.py`, whose triggers follow the answer.
"""

from AgentOperatingSystem.config.settings import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

_SETS = {
    "azure": ("storage_connection_string", "storage_account_url"),
    "postgres": ("database_url",),
    "servicebus": ("servicebus_connection_string", "servicebus_fully_qualified_namespace"),
}
_BUSES = {
    "embedded": ("embedded", "servicebus"),
    "postgres": ("postgres",),
    "azure": ("storage_queue", "servicebus", "embedded"),
}
"""The brokers that a store can have; the first is the one that it has when nothing is said."""


def store_of(config: AOSConfig) -> str:
    """`embedded`, `azure` or `postgres`. Raises `ConfigurationError` where the configuration names two or none."""
    if config.store != "auto":
        if config.store in _SETS and not _is_set(config, config.store):
            raise ConfigurationError(f"store is {config.store!r}: set {' or '.join(_SETS[config.store])}")
        return config.store
    named = [name for name in ("azure", "postgres") if _is_set(config, name)]
    if len(named) > 1:
        raise ConfigurationError("a storage account and a database_url are configured: let store say which keeps state")
    return named[0] if named else "embedded"


def bus_of(config: AOSConfig) -> str:
    """`embedded`, `postgres`, `servicebus` or `storage_queue`. Raises `ConfigurationError`."""
    store = store_of(config)
    if config.bus == "auto":
        wanted = "servicebus" if _is_set(config, "servicebus") else _BUSES[store][0]
        if wanted not in _BUSES[store]:
            raise ConfigurationError(
                f"Service Bus is configured, but the store {store!r} carries by itself: set bus to {_BUSES[store][0]!r}"
            )
        return wanted
    if config.bus not in _BUSES[store]:
        raise ConfigurationError(f"bus is {config.bus!r}, but the store {store!r} goes with {', '.join(_BUSES[store])}")
    if config.bus == "servicebus" and not _is_set(config, "servicebus"):
        raise ConfigurationError(f"bus is 'servicebus': set {' or '.join(_SETS['servicebus'])}")
    return config.bus


def _is_set(config: AOSConfig, engine: str) -> bool:
    return any(getattr(config, name) is not None for name in _SETS[engine])
