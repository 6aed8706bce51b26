"""Systems and agents for the tests of the specification's rows: small, real, in a folder of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.clock import Clock, SystemClock, from_iso
from AgentOperatingSystem.storage.records import EventRow

Execute = Callable[..., Awaitable[dict[str, Any]]]
"""`execute` of conftest.py: runs a snippet of the specification."""
PAUSE_SECONDS = 0.005
LOOKS_MAX = 2000


@asynccontextmanager
async def system(
    folder: Path, *agents: BaseAgent | type[BaseAgent], clock: Clock | None = None, **settings: Any
) -> AsyncIterator[AgentOperatingSystem]:
    """A running system with these agents."""
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, **settings), clock=clock) as aos:
        for agent in agents:
            await aos.register_agent(agent)
        aos.start()
        yield aos


async def eventually(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Waits until `look` answers `wanted`; fails with what it answered last."""
    seen = await look()
    for _ in range(LOOKS_MAX):
        if seen == wanted:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        seen = await look()
    assert seen == wanted


async def state_of(aos: AgentOperatingSystem, agent: str) -> Any:
    """The committed state of an agent."""
    return await aos.context_server(agent).load_state()


async def history_of(aos: AgentOperatingSystem, agent: str) -> list[EventRow]:
    """Everything that the agent's history holds, in order."""
    server, rows, after = aos.context_server(agent), list[EventRow](), ""
    while True:
        page = await server.history(after, 1000)
        rows += page.items
        after = page.after
        if not after:
            return rows


class TravellingClock(SystemClock):
    """The machine's clock, set to a moment and moved on by jumps: nobody sleeps through them."""

    def __init__(self, begin: str = "2026-03-02T10:30:00Z") -> None:
        self._offset = from_iso(begin) - super().now()

    def now(self) -> float:
        return super().now() + self._offset

    def travel(self, seconds: float) -> None:
        self._offset += seconds


class Counter(BaseAgent):
    """Counts events and keeps what they said, in order."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["count"] = self.state.get("count", 0) + 1
        self.state["seen"] = [*self.state.get("seen", []), event.data]
        return self.state["count"]
