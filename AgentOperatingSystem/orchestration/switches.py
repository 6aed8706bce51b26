"""Switches: a whole type of agents, or a whole tenant, that is paused or stopped. Every host has them in memory.

The desk (`switching.py`) keeps them in the store and reads them anew every `subscriptions_refresh_seconds`; the kernel
asks here when a turn begins, and the journal before each step.
"""

import msgspec

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.routes import UNROUTED
from AgentOperatingSystem.storage.records import Control

CONTROL = "aos.control"
"""The agent that takes control events."""
_EXEMPT = frozenset({CONTROL, UNROUTED})
"""What must work while everything else is held: control itself, and the keeper of what nobody can be given."""


class Switch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One switch as it is kept."""

    type: str = ""
    """The type of agents that it holds; empty: the whole tenant."""
    control: Control
    """Paused or stopped; active while those that it held are being woken."""
    reason: str = ""
    since: float = 0.0
    """UTC seconds."""
    cursor: str = ""
    """Where waking goes on."""

    @property
    def what(self) -> str:
        """What it holds, for people."""
        return f"type {self.type}" if self.type else "the tenant"

    @property
    def prefix(self) -> str:
        """How the addresses (`name/key`) of those begin that it holds."""
        return f"{self.type}/" if self.type else ""

    @property
    def why(self) -> str:
        """Why an event does not run; empty where it may."""
        if self.control is Control.ACTIVE:
            return ""
        return f"{self.what} is {self.control}" + (f": {self.reason}" if self.reason else "")


class Switches:
    """What this host knows of all switches; at most `subscriptions_refresh_seconds` old."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Switch] = {}
        """By tenant and type; those that hold somebody."""

    def put(self, tenant: str, switches: list[Switch]) -> None:
        """Replaces what is known of a tenant."""
        others = {place: switch for place, switch in self._held.items() if place[0] != tenant}
        self._held = others | {(tenant, each.type): each for each in switches if each.why}

    def why(self, agent: AgentId) -> str:
        """Why an agent is held; empty where it is not."""
        found = self.over(agent) if self._held else None
        return found.why if found is not None else ""

    def stops(self, agent: AgentId) -> bool:
        """Whether a handler of this agent is to be broken off."""
        found = self.over(agent)
        return found is not None and found.control is Control.STOPPED

    def over(self, agent: AgentId) -> Switch | None:
        """The switch that holds an agent: its tenant's before its type's."""
        if agent.name in _EXEMPT:
            return None
        return self._held.get((agent.tenant, "")) or self._held.get((agent.tenant, agent.name))
