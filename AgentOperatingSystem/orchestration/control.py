"""A commit from outside of any turn, with the bell that makes it felt."""

from AgentOperatingSystem.events import doorbell
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.bells import SAFETY_BELL_SECONDS
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Change

RACES_MAX = 100


async def commit_and_ring(parts: Parts, kernel: Kernel, server: ContextMCPServer, change: Change, why: str) -> None:
    """Commits `change` and wakes the agent. Raises `Conflict` where the head moved meanwhile.

    No broker message stands behind this commit that would be delivered again after a crash, so a late bell is ordered
    first: it rings whatever becomes of this process.
    """
    why = f"{why}:v{change.head.version}"
    now = parts.clock.now()
    await parts.bus.send([doorbell(server.agent, now + SAFETY_BELL_SECONDS, why, thorough=True)])
    bell = doorbell(server.agent, 0.0, why, thorough=True)
    committed = await server.commit(change)
    kernel.warm.forget(server.agent)
    await parts.bus.send([bell] if committed.relayed else [*change.outputs, bell])
