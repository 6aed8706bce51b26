"""An event loop whose time costs nothing: where every task waits, the clock jumps to the next timer.

The simulator runs a world on it; tests do too (marker `virtual_time` in tests/conftest.py). What happens in which order
follows from the program alone, so the same program runs the same way each time.
"""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits, and no timer will ever wake one."""


class JumpingSelector(selectors.DefaultSelector):
    """A selector that never waits: it moves its loop's clock by the time that it was asked to wait.

    `grace_seconds` of real time are given to threads and sockets before each jump; 0 is for programs that have none,
    and asks the operating system nothing at all.
    """

    def __init__(self, grace_seconds: float) -> None:
        super().__init__()
        self.now = 0.0
        self._grace_seconds = grace_seconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._grace_seconds:
            found = super().select(0 if timeout == 0 else self._grace_seconds)
            if found:
                return found
        if timeout is None:
            raise Deadlock("every task waits, and no timer is set")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time, which begins at 0.

    Raises `Deadlock` out of `run_until_complete` where nothing can ever happen again.
    """

    def __init__(self, grace_seconds: float = 0.0) -> None:
        self._jumping = JumpingSelector(grace_seconds)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    @property
    def _clock_resolution(self) -> float:
        """asyncio runs what is due within this time; less than the next float would be no time at all, and the loop
        would spin.
        """
        return 2 * math.ulp(self._jumping.now)

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """The base class says the real clock's; this one is exact."""


def run_virtual(main: Coroutine[Any, Any, T], grace_seconds: float = 0.0) -> T:
    """Runs a coroutine to its end on a virtual loop of its own, as `asyncio.run` does. Raises `Deadlock`."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace_seconds)) as runner:
        return runner.run(main)
