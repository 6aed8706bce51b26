"""Time as a port: no other module reads the wall clock.

`SystemClock` follows the running event loop for waiting and the wall clock for `now`; tests and the simulator run on a
virtual event loop with `LoopClock`, where an hour's sleep costs nothing and is exact.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the system asks of time."""

    def now(self) -> float:
        """UTC seconds since 1970."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits at least `seconds`."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LoopClock:
    """A clock that follows the event loop's own time, which may be virtual."""

    def __init__(self, epoch: float = 1_767_225_600.0) -> None:
        self._epoch = epoch

    def now(self) -> float:
        return self._epoch + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso(seconds: float) -> str:
    """RFC 3339 in UTC, with microseconds only where there are any."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """The inverse of `iso`; a time without a zone is taken as UTC. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
