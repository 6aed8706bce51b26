"""Who hears what: subscriptions that agent types declare, and durable ones that are made while the system runs.

Durable ones are rows of a system agent per tenant, so they survive restarts and are seen by every host within the refresh time.
"""

import msgspec

from AgentOperatingSystem.events import Event, pattern
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Subscription, copies

_PREFIX = "subscription:"


class Subscriptions:
    """The table that resolves a publication into its subscribers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._durable: dict[str, dict[str, Subscription]] = {}
        """By tenant, then by row name."""

    def copies(self, publication: Event) -> list[Event]:
        """One event per subscriber of a publication."""
        declared = [found for kind in self._registry.types() for found in kind.subscriptions]
        durable = self._durable.get(publication.tenant, {}).values()
        return copies([*declared, *durable], publication) if declared or durable else []

    async def add(self, parts: Parts, tenant: str, subscription: Subscription) -> None:
        """Keeps a subscription; keeping it again is the same as once. Raises `InvalidTopic`."""
        pattern(subscription.pattern)
        name = f"{_PREFIX}{subscription.pattern} {subscription.agent}/{subscription.key}"
        await _keeper(parts, tenant).remember(name, msgspec.to_builtins(subscription))
        self._durable.setdefault(tenant, {})[name] = subscription

    async def remove(self, parts: Parts, tenant: str, subscription: Subscription) -> None:
        """Ends a subscription; one that is not there has ended already."""
        name = f"{_PREFIX}{subscription.pattern} {subscription.agent}/{subscription.key}"
        await _keeper(parts, tenant).forget(name)
        self._durable.get(tenant, {}).pop(name, None)

    async def remove_agent(self, parts: Parts, agent: AgentId) -> None:
        """Ends all durable subscriptions of one agent (specification row 12)."""
        for subscription in list(self._durable.get(agent.tenant, {}).values()):
            if (subscription.agent, subscription.key) == (agent.name, agent.key):
                await self.remove(parts, agent.tenant, subscription)

    async def refresh(self, parts: Parts, tenant: str) -> None:
        """Reads what this and other hosts have kept."""
        found = await _keeper(parts, tenant).recall_prefix(_PREFIX, limit=10_000)
        self._durable[tenant] = {name: msgspec.convert(value, Subscription) for name, value in found.items()}

    def all(self, tenant: str) -> list[Subscription]:
        """Declared and durable ones, for people to see."""
        declared = [found for kind in self._registry.types() for found in kind.subscriptions]
        return [*declared, *self._durable.get(tenant, {}).values()]


def _keeper(parts: Parts, tenant: str) -> ContextMCPServer:
    return ContextMCPServer(AgentId("aos.subscriptions", "", tenant), parts.store, parts.blobs, parts.clock)
