"""What the killed hosts do: tallies that count, publish and send; a sink and a hearer that keep a ledger of what
reached them.
"""

from typing import Any

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.proof.kill.points import Trap

TALLIES = 4


class Tally(BaseAgent):
    """Notes each event's number in the order in which it was applied."""

    name = "tally"

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state.setdefault("numbers", []).append(event.data)
        await context.publish("tally.changed", event.id)
        await context.send("sink", event.id)
        Trap.step("handled")
        return len(context.state["numbers"])


class Ledger(BaseAgent):
    """Counts how often it saw what."""

    async def on_event(self, event: Event, context: Context) -> Any:
        seen = context.state
        seen[event.data] = seen.get(event.data, 0) + 1


class Sink(Ledger):
    """Gets a message for each event."""

    name = "sink"


class Hearer(Ledger):
    """Gets a publication for each event."""

    name = "hearer"
    subscriptions = ("tally.*",)


AGENTS = (Tally, Sink, Hearer)
