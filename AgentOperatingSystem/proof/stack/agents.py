"""What the attacked hosts do: tallies that take their time, count, publish and send; a sink and a hearer that keep a
ledger. Loaded by an app that `hosts` writes for each life of a host, with the point at which that life ends.
"""

import asyncio
from typing import Any

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.engines import Engines, Opened
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.proof.kill.points import Trap, trapped
from AgentOperatingSystem.proof.kill.work import Hearer, Sink

POINTS = ("loaded", "handled", "before commit", "after commit", "before relay", "after relay", "before settle")
_TRAPS = {
    "load": ("", "loaded"),
    "commit": ("before commit", "after commit"),
    "send": ("before relay", "after relay"),
    "settle": ("before settle", ""),
}


class Tally(BaseAgent):
    """Notes each event's number in the order in which it was applied, after as many seconds as the event says."""

    name = "tally"

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data["seconds"])
        context.state.setdefault("numbers", []).append(event.data["number"])
        await context.publish("tally.changed", event.id)
        await context.send("sink", event.id)
        Trap.step("handled")
        return len(context.state["numbers"])


AGENTS = [Tally, Sink, Hearer]


class TrappedEngines(Engines):
    """As shipped, with traps around what the kernel asks of store and bus."""

    async def on_servicebus(self, store: str) -> Opened:
        opened = await super().on_servicebus(store)
        for name, (before, after) in _TRAPS.items():
            part: object = opened.store if name in ("load", "commit") else opened.bus
            setattr(part, name, trapped(getattr(part, name), before, after))
        return opened


def set_trap(point: str, countdown: int) -> None:
    """From here on this process dies at the point's `countdown`-th passing; an empty point means nowhere."""
    if point:
        Trap.set(point, countdown)
        AgentOperatingSystem.engines = TrappedEngines
