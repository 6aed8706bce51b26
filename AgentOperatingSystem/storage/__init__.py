"""Storage: where agents' state, events and blobs lie. Ports in `ports.py`, records in `records.py`, one adapter per
file.

A running system registers its stores here with `use`, so that `ContextMCPServer(agent_id)` needs no more than the id.
Applications find Azure's plain storage services here too (specification rows 102 to 105), loaded when they are asked
for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore

if TYPE_CHECKING:
    from AgentOperatingSystem.storage.azure.services.blob import AzureBlobStorage as AzureBlobStorage
    from AgentOperatingSystem.storage.azure.services.cosmos import CosmosDBStorage as CosmosDBStorage
    from AgentOperatingSystem.storage.azure.services.queue import AzureQueueStorage as AzureQueueStorage
    from AgentOperatingSystem.storage.azure.services.table import AzureTableStorage as AzureTableStorage

_SERVICES = {
    "AzureBlobStorage": "blob",
    "AzureTableStorage": "table",
    "AzureQueueStorage": "queue",
    "CosmosDBStorage": "cosmos",
}
_current: list[tuple[AgentStore, BlobStore]] = []


def use(store: AgentStore, blobs: BlobStore) -> None:
    """Makes these the stores of this process, until `release`."""
    _current.append((store, blobs))


def release(store: AgentStore) -> None:
    """The system that used this store has closed."""
    _current[:] = [pair for pair in _current if pair[0] is not store]


def default_store() -> AgentStore:
    """The store of the running system. Raises `ConfigurationError` where none runs in this process."""
    return _latest()[0]


def default_blobs() -> BlobStore:
    """The blob store of the running system. Raises `ConfigurationError` where none runs in this process."""
    return _latest()[1]


def _latest() -> tuple[AgentStore, BlobStore]:
    if not _current:
        raise ConfigurationError(
            "no store: initialize an AgentOperatingSystem first, or pass store= to ContextMCPServer"
        )
    return _current[-1]


def __getattr__(name: str) -> Any:
    """The plain services. Raises `ConfigurationError` where the extra `azure` is not installed."""
    if name not in _SERVICES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.azure.services.{_SERVICES[name]}"), name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{name} needs the package {error.name}: pip install 'agent-operating-system[azure]'"
        ) from None
