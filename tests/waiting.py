"""Waiting for something that another process or a background task is about to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(probe: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float = 10.0) -> T:
    """The first answer of `probe` for which `holds`. Fails where none comes in time, and shows the last."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds(found := await probe()):
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.01)
    return found


def waited(probe: Callable[[], T], holds: Callable[[T], bool] = bool, seconds: float = 30.0) -> T:
    """`until` for tests that run no loop: another process is about to do it."""
    deadline = time.monotonic() + seconds
    while not holds(found := probe()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
