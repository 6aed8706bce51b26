"""Storage: where agents' state, events and blobs lie. Ports in `ports.py`, records in `records.py`, one adapter per
file.

A running system registers its stores here with `use`, so that `ContextMCPServer(agent_id)` needs no more than the id.
"""

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore

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
