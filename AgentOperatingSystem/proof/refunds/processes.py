"""One short life after the other, forked from a server that has what they need imported."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from typing import Any

OFFICE = "AgentOperatingSystem.proof.refunds.child"
LIFE_SECONDS_MAX = 60.0


def forked(live: Callable[..., None], *arguments: Any, preload: str = OFFICE) -> list[Any]:
    """What a life sent until its end, which is its own kill or its last line. The first life of a process decides which
    module its server imports.
    """
    context = _context(preload)
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


def _context(preload: str) -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context
