"""What a kernel is made of; chosen by the composition file, or by a test."""

from collections.abc import Callable
from dataclasses import dataclass, field

from AgentOperatingSystem.agents.context import Limits
from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import INLINE_BYTES_MAX
from AgentOperatingSystem.messaging.ports import MessageBus
from AgentOperatingSystem.orchestration.budgets.rules import Budgets
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.switches import Switches
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore


@dataclass(frozen=True, slots=True)
class Parts:
    """A kernel's surroundings: ports, and the limits that decide."""

    store: AgentStore
    blobs: BlobStore
    bus: MessageBus
    registry: Registry
    clock: Clock
    jitter: Callable[[], float]
    """A number in [0, 1), for back-off."""
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    warm_agents_max: int = 10_000
    inline_bytes_max: int = INLINE_BYTES_MAX
    budgets: Budgets = field(default_factory=Budgets)
    """What may be spent, and what models cost."""
    redact: Callable[[bytes], bytes] = bytes
    """Takes the secrets out of JSON that is about to be kept."""
    switches: Switches = field(default_factory=Switches)
    """Types and tenants that are paused or stopped."""

    def lost(self, agent: AgentId) -> str:
        """Why the turn under way of an agent is to go no further on this host; empty where it may, or where the broker
        has no locks that could be lost.
        """
        tell = getattr(self.bus, "lost", None)
        return tell(agent) if tell is not None else ""
