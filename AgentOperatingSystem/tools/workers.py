"""A process that is asked one thing, answers once, and is gone afterwards, whatever happens to whoever asked.

The sandbox and the document reader use it. A thread speaks with the process, so that the event loop waits for nothing
and a cancelled caller leaves nothing behind: asyncio's own subprocesses can wait for ever when they are cancelled while
they start.
"""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock

END_SECONDS_MAX = 1.0
"""How long a process may take to end its own children, and itself, after it was told to."""
_CHUNK_BYTES = 1 << 16
_WORKERS_MAX = 32


class Worker:
    """One process. `answer` runs in a thread; `end` may be called from any thread, at any time, more than once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, shows_errors: bool = False) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._errors = subprocess.STDOUT if shows_errors else subprocess.DEVNULL
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def answer(self, question: bytes, size_max: int) -> bytes:
        """What the process writes, up to its end or to `size_max`. Its standard input stays open for as long."""
        process = self._start()
        if process is None:
            return b""
        with process:  # closes the pipes and waits
            try:
                return _exchange(process, question, size_max)
            finally:
                _end(process)

    def end(self, *, at_once: bool = False) -> None:
        """Tells the process to end, or makes it; keeps it from being started where it was not yet."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill() if at_once else self._process.terminate()

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if not self._ended:
                self._process = subprocess.Popen(
                    self._command,
                    bufsize=0,
                    cwd="/",
                    env=self._environment,
                    start_new_session=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                )
            return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Gives it the time to end by itself, so that it leaves no children that nobody waits for."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS_MAX / 2)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS_MAX / 2)
    process.kill()


def _exchange(process: subprocess.Popen[bytes], question: bytes, size_max: int) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    rest = memoryview(question)
    with suppress(BrokenPipeError):
        while rest:
            rest = rest[process.stdin.write(rest) :]
    answer = bytearray()
    while len(answer) < size_max and (part := process.stdout.read(min(_CHUNK_BYTES, size_max - len(answer)))):
        answer += part
    return bytes(answer)


async def ask(
    command: Sequence[str],
    question: bytes,
    *,
    environment: Mapping[str, str],
    seconds_max: float,
    size_max: int,
    shows_errors: bool = False,
) -> bytes:
    """What a new process says to `question`. When this returns or raises, the process is gone.

    Raises `TimeoutError` after `seconds_max`, and `OSError` where the process cannot be started.
    """
    worker = Worker(command, environment, shows_errors=shows_errors)
    talk = asyncio.get_running_loop().run_in_executor(_threads(), worker.answer, question, size_max)
    try:
        async with asyncio.timeout(seconds_max):
            return await asyncio.shield(talk)
    finally:
        worker.end()
        _, running = await asyncio.wait([talk], timeout=END_SECONDS_MAX / 2)
        if running:
            worker.end(at_once=True)
            await asyncio.wait(running)


_pool: list[ThreadPoolExecutor] = []


def _threads() -> ThreadPoolExecutor:
    """Threads of our own: those of the event loop are few, and name resolution waits for them."""
    if not _pool:
        _pool.append(ThreadPoolExecutor(_WORKERS_MAX, "aos-worker"))
    return _pool[0]
