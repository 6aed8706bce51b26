"""One short life after the other, forked from a server that has AutoGen imported."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from typing import Any

LIFE_SECONDS_MAX = 60.0


def forked(live: Callable[..., None], *arguments: Any) -> list[Any]:
    """What a life sent until its end, which is its own kill or its last line."""
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(target=live, args=(theirs, *arguments))
    process.start()
    theirs.close()
    process.join(LIFE_SECONDS_MAX)
    process.kill()
    process.join()
    said: list[Any] = []
    try:
        while ours.poll():
            said.append(ours.recv())
    except (EOFError, OSError):
        pass
    ours.close()
    return said


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["AgentOperatingSystem.proof.refunds.child"])
    return context
