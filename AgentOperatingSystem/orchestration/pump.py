"""The pump: takes turns from the bus and has the kernel deliver them, so many at once and no more.

Hosts that are pushed to (Functions triggers) need none; `AgentOperatingSystem` runs one on the embedded bus.
"""

import asyncio
import logging

from AgentOperatingSystem.errors import StoreError
from AgentOperatingSystem.messaging.ports import MessageBus, Turn
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.kernel import Kernel

STORE_PAUSE_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Pump:
    """Bounded concurrency over all agents; one turn of an agent at a time is the bus's promise."""

    def __init__(self, kernel: Kernel, bus: MessageBus, max_concurrent_turns: int) -> None:
        self._kernel = kernel
        self._bus = bus
        self._max = max_concurrent_turns
        self._delivering: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._main: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to turn; starting twice is the same as once."""
        if self._main is None:
            self._main = asyncio.create_task(self._run(), name="aos-pump")

    async def drain(self, timeout_seconds: float) -> int:
        """Takes no further turn and waits for those under way; says how many were broken off at the limit.

        What is broken off is not committed: it is delivered again at the next start.
        """
        if self._main is not None:
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        under_way = set(self._delivering)
        _, late = await asyncio.wait(under_way, timeout=timeout_seconds) if under_way else (set(), set())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    async def _run(self) -> None:
        async for turn in self._bus.turns():
            if turn.alone:
                await self._alone(turn)
                continue
            self._begin(turn)
            if len(self._delivering) >= self._max:
                self._room.clear()
                await self._room.wait()

    def _begin(self, turn: Turn) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver(turn))
        self._delivering.add(task)
        return task

    async def _alone(self, turn: Turn) -> None:
        """An event that was in flight when a host died runs with nothing beside it, so that the guilty one is found."""
        if self._delivering:
            await asyncio.wait(set(self._delivering))
        await asyncio.wait({self._begin(turn)})

    async def _deliver(self, turn: Turn) -> None:
        try:
            await self._kernel.deliver(turn)
        except StoreError as error:
            _log.warning("%s: the store did not serve the turn (%s); trying again", turn.agent, error)
            metrics.increment("agent.turns.released")
            await self._give_back(turn)
        except Exception:
            _log.exception("%s: the turn failed in the system itself; trying again", turn.agent)
            await self._give_back(turn)
        finally:
            self._delivering.discard(asyncio.current_task())
            self._room.set()

    async def _give_back(self, turn: Turn) -> None:
        try:
            await self._bus.release(turn, STORE_PAUSE_SECONDS)
        except StoreError as error:
            _log.warning("%s: the turn comes back when the broker's lock runs out (%s)", turn.agent, error)
