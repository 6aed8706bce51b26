"""One timer of the loop, for the first of many due times."""

import asyncio
from collections.abc import Callable
from typing import Final

from AgentOperatingSystem.clock import Clock

SECONDS_MAX: Final = 86_400.0
"""Rings at the latest after this time; whoever hears it asks again for the next."""


class Alarm:
    """Calls `rung` at the earliest time that was asked for."""

    def __init__(self, clock: Clock, rung: Callable[[], None]) -> None:
        self._clock = clock
        self._rung = rung
        self._timer: asyncio.TimerHandle | None = None

    def at(self, due: float) -> None:
        """Rings at `due` (UTC seconds), or earlier."""
        loop = asyncio.get_running_loop()
        when = loop.time() + min(max(0.0, due - self._clock.now()), SECONDS_MAX)
        if self._timer is None or when < self._timer.when():
            self.cancel()
            self._timer = loop.call_at(when, self._ring)

    def cancel(self) -> None:
        """Rings no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        self._rung()
