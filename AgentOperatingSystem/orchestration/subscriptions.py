"""Who hears what: subscriptions that agent types declare, and durable ones that are made while the system runs.

Durable ones are rows of a system agent per tenant, so they survive restarts and are seen by every host within the
refresh time.
"""

import msgspec

from AgentOperatingSystem.events import Event, matches, pattern
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Subscription, copies

TOPICS_MAX = 10_000
_PREFIX = "subscription:"


class Subscriptions:
    """The table that resolves a publication into its subscribers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._durable: dict[str, dict[str, Subscription]] = {}
        """By tenant, then by row name."""
        self._known: dict[tuple[str, str], list[Subscription]] = {}
        """What matches a topic, by tenant and topic."""
        self._known_at = 0

    def copies(self, publication: Event) -> list[Event]:
        """One event per subscriber of a publication."""
        found = self._subscribed(publication.tenant, publication.topic)
        return copies(found, publication) if found else []

    async def add(self, parts: Parts, tenant: str, subscription: Subscription) -> None:
        """Keeps a subscription; keeping it again is the same as once. Raises `InvalidTopic`."""
        pattern(subscription.pattern)
        name = f"{_PREFIX}{subscription.pattern} {subscription.agent}/{subscription.key}"
        await _keeper(parts, tenant).remember(name, msgspec.to_builtins(subscription))
        self._durable.setdefault(tenant, {})[name] = subscription
        self._known.clear()

    async def remove(self, parts: Parts, tenant: str, subscription: Subscription) -> None:
        """Ends a subscription; one that is not there has ended already."""
        name = f"{_PREFIX}{subscription.pattern} {subscription.agent}/{subscription.key}"
        await _keeper(parts, tenant).forget(name)
        self._durable.get(tenant, {}).pop(name, None)
        self._known.clear()

    async def remove_agent(self, parts: Parts, agent: AgentId) -> None:
        """Ends all durable subscriptions of one agent (specification row 12)."""
        for subscription in list(self._durable.get(agent.tenant, {}).values()):
            if (subscription.agent, subscription.key) == (agent.name, agent.key):
                await self.remove(parts, agent.tenant, subscription)

    async def refresh(self, parts: Parts, tenant: str) -> None:
        """Reads what this and other hosts have kept."""
        found = await _keeper(parts, tenant).recall_prefix(_PREFIX, limit=10_000)
        self._durable[tenant] = {name: msgspec.convert(value, Subscription) for name, value in found.items()}
        self._known.clear()

    def _subscribed(self, tenant: str, topic: str) -> list[Subscription]:
        """Those whose pattern matches; remembered until anything changes."""
        if self._known_at != self._registry.changes:
            self._known.clear()
            self._known_at = self._registry.changes
        found = self._known.get((tenant, topic))
        if found is None:
            if len(self._known) >= TOPICS_MAX:
                self._known.clear()
            found = self._known[tenant, topic] = [one for one in self.all(tenant) if matches(one.pattern, topic)]
        return found

    def all(self, tenant: str) -> list[Subscription]:
        """Declared and durable ones, for people to see."""
        declared = [found for kind in self._registry.types() for found in kind.subscriptions]
        return [*declared, *self._durable.get(tenant, {}).values()]


def _keeper(parts: Parts, tenant: str) -> ContextMCPServer:
    return ContextMCPServer(AgentId("aos.subscriptions", "", tenant), parts.store, parts.blobs, parts.clock)
