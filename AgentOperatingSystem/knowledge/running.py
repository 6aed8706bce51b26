"""The knowledge base of the running system, for agents, which hold no configuration.

The composition file registers with `use` how it is opened; agents ask `knowledge_of` when they need it. Nothing is
opened before that.
"""

from collections.abc import Callable

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.knowledge.base import KnowledgeBase

Opened = Callable[[], KnowledgeBase]
_running: list[Opened] = []


def use(opened: Opened) -> None:
    """Makes this the knowledge base of this process, until `release`."""
    _running.append(opened)


def release(opened: Opened) -> None:
    """The system that used it has closed."""
    _running[:] = [each for each in _running if each != opened]


def knowledge_of(tenant: str) -> KnowledgeBase:
    """The running system's knowledge base, as a tenant sees it. Raises `ConfigurationError` where none runs."""
    if not _running:
        raise ConfigurationError("no system runs in this process, so there is no knowledge base; initialize one first")
    return _running[-1]().of(tenant)
