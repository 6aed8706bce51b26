"""The desk of switches: turns a whole type or tenant off and on again, and wakes everybody who was held.

Switches are rows of a system agent per tenant. A host obeys one as soon as it has read it, at the latest
`subscriptions_refresh_seconds` after it was turned. Lifting one wakes its agents page by page; how far that came is
kept in its row, so that any host goes on with it after a crash.
"""

from collections.abc import Sequence

import msgspec

from AgentOperatingSystem.errors import IllegalTransition, UnknownAgent
from AgentOperatingSystem.events import Message, doorbell
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.switches import Switch
from AgentOperatingSystem.storage.records import Control, Head, Row

ACTIONS = ("pause", "stop", "resume", "start")
"""What can be done with a type or a tenant; `resume` and `start` both lift what holds it."""
PAGE = 500
"""Agents that are looked at in one go."""
PAGES_AT_ONCE = 20
"""Pages per call; the rest comes with the next refresh."""
SWITCHES_MAX = 10_000
_PREFIX = "switch:"
_encode = msgspec.json.encode
_SYSTEM = "aos."
_replace = msgspec.structs.replace


class SwitchDesk:
    """Turns switches, and keeps this host's view of them true."""

    def __init__(self, parts: Parts, kernel: Kernel, refresh_seconds: float) -> None:
        self._parts = parts
        self._kernel = kernel
        self._refresh_seconds = refresh_seconds

    async def turn(self, tenant: str, type: str, action: str, reason: str = "") -> Switch:
        """Pauses, stops or lets go on all agents of a type, or of the tenant (empty `type`); doing it twice is the same
        as once. In force here when this returns, on other hosts within `subscriptions_refresh_seconds`.

        Raises `IllegalTransition` for another action, `UnknownAgent` for a type that is not registered here and that
        nothing holds.
        """
        if action not in ACTIONS:
            raise IllegalTransition(f"a type or a tenant cannot {action!r}; there are {', '.join(ACTIONS)}")
        held = {switch.type: switch for switch in await self.all(tenant)}
        if type and type not in held:
            self._check(AgentId(type, "", tenant))
        control = {"pause": Control.PAUSED, "stop": Control.STOPPED}.get(action, Control.ACTIVE)
        switch = Switch(type=type, control=control, reason=reason, since=self._parts.clock.now())
        before = held.get(type)
        if before is None and control is Control.ACTIVE:
            return switch
        if before is not None and (before.control, before.reason) == (control, reason):
            switch = before
        else:
            await self._keeper(tenant).remember(_name(type), msgspec.to_builtins(switch))
        await self.refresh(tenant)
        return switch

    async def all(self, tenant: str) -> list[Switch]:
        """Every switch of a tenant that holds somebody, or that held somebody who is not woken yet."""
        found = await self._keeper(tenant).recall_prefix(_PREFIX, SWITCHES_MAX)
        return [msgspec.convert(value, Switch) for value in found.values()]

    async def refresh(self, tenant: str) -> None:
        """Reads the switches, breaks off what is stopped, and goes on with waking where one was lifted."""
        switches = await self.all(tenant)
        self._parts.switches.put(tenant, switches)
        for agent in self._kernel.watch.running():
            if agent.tenant == tenant and self._parts.switches.stops(agent):
                self._kernel.watch.interrupt(agent)
        for switch in switches:
            if switch.control is Control.ACTIVE:
                await self._wake(tenant, switch)

    def _check(self, agent: AgentId) -> None:
        if agent.name.startswith(_SYSTEM):
            raise UnknownAgent(f"{agent.name} belongs to the system; it is not held by its type")
        self._parts.registry.check_recipient(agent)

    async def _wake(self, tenant: str, switch: Switch) -> None:
        """Rings for those who may hold something, a page at a time; then the switch is gone."""
        for _ in range(PAGES_AT_ONCE):
            page = await self._parts.store.agents(tenant, switch.prefix, switch.cursor, PAGE)
            await self._ring(page.items, switch)
            if not await self._moved(tenant, switch, page.after) or not page.after:
                return
            switch = _replace(switch, cursor=page.after)

    async def _ring(self, heads: Sequence[Head], switch: Switch) -> None:
        """A bell at once, and one for when every host knows: one that does not yet may hold again what the first woke.

        The same bells at every try.
        """
        late = switch.since + 2 * self._refresh_seconds + self._parts.rules.clock_skew_seconds
        why = f"switch:{switch.since!r}"
        bells: list[Message] = []
        for head in heads:
            if head.backlog or head.next_order or head.next_tick:
                bells += [doorbell(head.agent, due, why, thorough=True) for due in (0.0, late)]
        if bells:
            await self._parts.bus.send(bells)

    async def _moved(self, tenant: str, switch: Switch, cursor: str) -> bool:
        """Keeps how far waking has come; False where somebody has turned the switch meanwhile."""
        keeper, name, is_ours = self._keeper(tenant), _name(switch.type), False

        async def decide() -> tuple[Row, ...]:
            nonlocal is_ours
            value = await self._parts.store.row(keeper.agent, "memory", name)
            now = msgspec.json.decode(value, type=Switch) if value is not None else None
            is_ours = now is not None and (now.control, now.since) == (switch.control, switch.since)
            if not is_ours:
                return ()
            return (Row("memory", name, _encode(_replace(switch, cursor=cursor)) if cursor else None),)

        await keeper.edit(decide)
        return is_ours

    def _keeper(self, tenant: str) -> ContextMCPServer:
        parts = self._parts
        return ContextMCPServer(AgentId("aos.switches", "", tenant), parts.store, parts.blobs, parts.clock)


def _name(type: str) -> str:
    return f"{_PREFIX}type:{type}" if type else f"{_PREFIX}tenant"
