"""Time that belongs to the test: a clock that it moves, and a loop that it moves."""

import asyncio
import time
from collections.abc import Callable

from AgentOperatingSystem.clock import LoopClock


class ManualClock:
    """A clock that the test moves; sleeping moves it too."""

    def __init__(self) -> None:
        self.time = 1_767_225_600.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until `advance`, while threads and files work in real time.

    Tests get one by the marker `manual_time`; `LoopClock` follows it.
    """

    def __init__(self) -> None:
        self.moment = 0.0
        self.others_at_work: Callable[[], bool] = lambda: False
        """Whether another process was asked something and has not answered yet."""
        super().__init__()

    def time(self) -> float:
        return self.moment


EPOCH = 1_767_225_600.0
CLOCK = LoopClock(EPOCH)


async def settle(rounds: int = 20) -> None:
    """Lets everybody run who can run now, other processes that were asked something included."""
    loop = asyncio.get_running_loop()
    calm = 0
    while calm < rounds:
        await asyncio.sleep(0)
        waits = isinstance(loop, ManualLoop) and loop.others_at_work()
        calm = 0 if waits else calm + 1
        if waits:
            await asyncio.to_thread(time.sleep, 0.0005)


async def advance(seconds: float) -> None:
    """Time passes, at once; whoever waited for it runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualLoop), "mark the test with manual_time"
    await settle()
    loop.moment += seconds
    await settle()
