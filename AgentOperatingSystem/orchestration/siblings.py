"""Calls that one handling makes at the same time: whoever ends the handling lets the others come to their end first.

The journal asks before it stops a handler. A call that is broken off halfway would be one of unknown outcome, for no
better reason than that another one has to wait.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Siblings:
    """Which tasks of a handling are within a call."""

    __slots__ = ("_blocked", "_calling", "_changed")

    def __init__(self) -> None:
        self._calling: Counter[asyncio.Task[Any] | None] = Counter()
        self._blocked: set[asyncio.Task[Any] | None] = set()
        """Tasks that wait for the others, and get no further themselves."""
        self._changed: dict[asyncio.Future[None], None] = {}  # in the order in which they came: a set has none

    @contextmanager
    def calling(self) -> Iterator[None]:
        """The current task is within a call."""
        task = asyncio.current_task()
        self._calling[task] += 1
        try:
            yield
        finally:
            self._calling[task] -= 1
            self._wake()

    async def end(self) -> None:
        """Returns when no other task is within a call, but those that wait here too."""
        task = asyncio.current_task()
        self._blocked.add(task)
        self._wake()
        try:
            while any(count and each not in self._blocked for each, count in self._calling.items()):
                changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._changed[changed] = None
                try:
                    await changed
                finally:
                    self._changed.pop(changed, None)
        finally:
            self._blocked.discard(task)

    def _wake(self) -> None:
        for changed in self._changed:
            if not changed.done():
                changed.set_result(None)
