"""Agents that the tests of doors and hosts talk to; also an app for hosts in processes of their own."""

import asyncio
import hashlib
import time
from typing import Any

from AgentOperatingSystem import BaseAgent, Context, Event, Quarantine, Route


class Counter(BaseAgent):
    """Counts."""

    capabilities = ("counting",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["n"] = self.state.get("n", 0) + 1
        await context.remember(f"seen/{self.state['n']}", event.data)
        await context.publish("counter.moved", {"n": self.state["n"]}, subject=self.address.key)
        if event.type == "schedule":
            await context.schedule("later", after_seconds=3600, data=event.data)
        return self.state["n"]


class Gated(BaseAgent):
    """Handles nothing before its gate opens."""

    gate: asyncio.Event

    async def on_event(self, event: Event, context: Context) -> Any:
        await self.gate.wait()
        return "through"


class Slow(BaseAgent):
    """Takes as many seconds as it is told to."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data)
        self.state["n"] = self.state.get("n", 0) + 1
        return self.state["n"]


class Picky(BaseAgent):
    """Puts aside what it does not like."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "bad":
            raise Quarantine("does not like it")
        return event.data


class Hog(BaseAgent):
    """Blocks the event loop, in ways that differ in who can stop them."""

    turn_timeout_seconds = 1.0

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "compute":
            while True:
                pass
        if event.data == "system call":
            time.sleep(600)  # noqa: ASYNC251  # the mistake that the watchdog is for
        if event.data == "C":
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
        if event.data == "await":
            await asyncio.sleep(600)
        return "rested"


routes = [Route(agent="counter", type="github.#", key="{subject}")]
