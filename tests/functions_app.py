"""Agents for function apps under test: one counts and says so, one listens, one takes its time and says where."""

import asyncio
import os
from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event


class Counter(BaseAgent):
    """Keeps what it is sent, in order."""

    async def on_event(self, event: Event, context: Context) -> Any:
        seen = self.state.setdefault("seen", [])
        seen.append(event.data)
        await context.publish("counter.moved", {"n": len(seen)})
        return len(seen)


class Listener(BaseAgent):
    """Counts what others publish."""

    subscriptions = ("counter.moved", "door.#")

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state[event.topic or event.type] = self.state.get(event.topic or event.type, 0) + 1


class Slow(BaseAgent):
    """Writes into a file which process handles its event, and then takes as many seconds as the event says."""

    async def on_event(self, event: Event, context: Context) -> Any:
        note(event.data["file"])
        await asyncio.sleep(event.data["seconds"])
        self.state["n"] = self.state.get("n", 0) + 1
        return self.state["n"]


def note(path: str) -> None:
    """Writes down that this process has begun."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
