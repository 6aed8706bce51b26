"""Registration and discovery (specification row 13): `aos.manager`.

Code says which types exist, the store says which agents were ever woken; together they answer who there is, also after
a restart.
"""

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import state_of
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.registry import AgentType
from AgentOperatingSystem.storage.records import Head, Page

_SYSTEM = "aos."


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One agent, as it was found."""

    agent: AgentId
    state: str
    """One of `lifecycle.STATES`."""
    capabilities: tuple[str, ...] = ()
    """Empty where no code is registered for it here."""
    last_seen: float = 0.0
    """UTC seconds of its last commit; 0 where it was never woken."""


class AgentManager:
    """Who there is, by address, type, capability and state."""

    def __init__(self, parts: Parts, kernel: Kernel, tenant: str) -> None:
        self._parts = parts
        self._kernel = kernel
        self._tenant = tenant

    def register_agent(self, agent: BaseAgent | type[BaseAgent]) -> str:
        """Registers a type (one agent per key) or one agent object; answers the registered name.

        Nothing is written: it is awake when its first event comes. Raises `ConfigurationError`.
        """
        registered = self._parts.registry.register(agent)
        self._kernel.warm.forget_type(registered.name)  # what was made of the one before is not to answer any more
        return registered.name

    async def find(
        self,
        *,
        agent: AgentId | str = "",
        type: str = "",
        capability: str = "",
        state: str = "",
        after: str = "",
        limit: int = 100,
    ) -> Page[Found]:
        """Agents that fit everything that is given, by address; at the end also registered types that never woke one.

        A page may hold fewer than `limit` and still not be the last.
        """
        wanted = AgentId.parse(agent, self._tenant) if isinstance(agent, str) and agent else agent
        name = wanted.name if isinstance(wanted, AgentId) else type
        page = await self._parts.store.agents(self._tenant, f"{name}/" if name else "", after, limit)
        woken = [self._found(head) for head in page.items]
        sleeping = [] if page.after else await self._never_woken()
        fits = (
            found
            for found in (*woken, *sleeping)
            if not found.agent.name.startswith(_SYSTEM)
            and wanted in ("", found.agent)
            and name in ("", found.agent.name)
            and capability in ("", *found.capabilities)
            and state in ("", found.state)
        )
        return Page(tuple(fits), page.after)

    def _found(self, head: Head) -> Found:
        kind = self._registered().get(head.agent.name)
        return Found(
            agent=head.agent,
            state=state_of(head, running=self._kernel.watch.is_running(head.agent)),
            capabilities=kind.capabilities if kind else (),
            last_seen=head.updated_at,
        )

    async def _never_woken(self) -> list[Found]:
        """Registered types of which the store knows no agent."""
        unknown = [
            kind
            for kind in self._registered().values()
            if not (await self._parts.store.agents(self._tenant, f"{kind.name}/", limit=1)).items
        ]
        return [
            Found(agent=AgentId(kind.name, "", self._tenant), state="created", capabilities=kind.capabilities)
            for kind in unknown
        ]

    def _registered(self) -> dict[str, AgentType]:
        return {kind.name: kind for kind in self._parts.registry.types()}
