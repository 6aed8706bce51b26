"""What every route of the HTTP door shares: the system behind it, who may write to whom, and whether the host drains.

Made by `create_app`, kept in `app.state.door`; the host calls `drain` before it stops.
"""

import asyncio
from typing import Annotated

from fastapi import Depends, Query, Request

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.auth.principals import Callers
from AgentOperatingSystem.errors import Forbidden
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.switches import CONTROL
from AgentOperatingSystem.storage.records import Control, Head

ENVELOPE_BYTES = 64 << 10
"""What a body may have beyond the largest event's data: the other fields, white space, escapes of a few characters."""
SYSTEM = "aos."


class Door:
    """One running system, seen through HTTP."""

    def __init__(self, aos: AgentOperatingSystem, token: str) -> None:
        self.aos = aos
        self.config = aos.config
        self.callers = Callers(aos.config, token)
        self.body_bytes_max = self.config.event_bytes_max + ENVELOPE_BYTES
        self.draining = asyncio.Event()
        """Set once: from then on every route refuses, and streams end."""

    def drain(self) -> None:
        """Refuses everything new from now on."""
        self.draining.set()

    def address(self, name: str, key: str = "") -> AgentId:
        """The agent of a route, in the configured tenant. Raises `InvalidAgentId`."""
        return AgentId(name, key, self.config.tenant)

    def check_writable(self, agent: AgentId) -> None:
        """Raises `Forbidden` for the system's own agents: one of them calls whatever function its key names."""
        if agent.name.startswith(SYSTEM):
            raise Forbidden(
                f"{agent.name} belongs to the system; nothing can be sent to it or done with it from outside"
            )

    def check_recipient(self, agent: AgentId) -> None:
        """Raises `Forbidden` for the system's own agents, but for the one that takes control events."""
        if agent.name != CONTROL:
            self.check_writable(agent)

    async def head(self, agent: AgentId) -> Head | None:
        """The agent's head as it is stored; None where it was never woken."""
        found = await self.aos.parts.store.load(agent)
        return found[0] if found else None

    async def is_terminated(self, agent: AgentId) -> bool:
        """Whether only a tombstone is left of the agent."""
        head = await self.head(agent)
        return head is not None and head.control is Control.TERMINATED


def the_door(request: Request) -> Door:
    """The dependency through which routes get their door."""
    door = request.app.state.door
    assert isinstance(door, Door)
    return door


TheDoor = Annotated[Door, Depends(the_door)]
Key = Annotated[str, Query(description="Which instance of the agent's type; empty for the one without a key.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[str, Query(max_length=2048, description="Where to go on: `after` of the page before.")]
