"""The watchdog: a thread that notices when the event loop no longer turns, and ends what blocks it.

A handler that awaits is stopped at its time limit by the kernel (`orchestration/awake.py`). One that computes without
end, or that calls something blocking, keeps the loop from doing even that. In steps, each a little later than the one
before:

1. `LoopBlocked` is raised in the loop's thread, inside of the handler: that event fails with `turn-timed-out`, and
   everything else goes on. A blocking call of the operating system (`time.sleep`, a socket) is cut short for it.
2. Where that does not help (it is caught, or the thread is deep in C), all stacks go to standard error and the process
   ends with status 70. The marks of what was in flight outlive it: the next start counts the crash and runs that event
   alone.

A call into C that never gives back the interpreter lock stops this thread too; what notices that is a probe of
`/health/live` from outside.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable

from AgentOperatingSystem.errors import TurnTimedOut
from AgentOperatingSystem.orchestration.awake import Watch

EXIT_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""
TICK_SECONDS = 0.25
GRACE_SECONDS = 0.2
"""How much later than the kernel's own time limit step 1 comes."""
LAST_GRACE_SECONDS = 3.0
"""How long after step 1 the process ends."""
SUSPENDED_SECONDS = 1.0
"""A look that comes so much too late: not the loop alone, the whole process stood still."""
_POKE = getattr(signal, "SIGUSR2", None)


class LoopBlocked(TurnTimedOut):
    """A handler kept the event loop from turning beyond its time limit."""

    def __init__(self) -> None:
        super().__init__("the handler blocked the event loop until its time limit; let it await, or use a thread")


class Watchdog:
    """Watches the event loop in which it is started, until it is stopped."""

    def __init__(
        self,
        watch: Watch,
        limit_seconds: float,
        *,
        grace_seconds: float = GRACE_SECONDS,
        last_grace_seconds: float = LAST_GRACE_SECONDS,
        die: Callable[[int], object] = os._exit,
    ) -> None:
        self._watch = watch
        self._limit_seconds = limit_seconds
        self._grace_seconds = grace_seconds
        self._last_grace_seconds = last_grace_seconds
        self._die = die
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_forever, name="aos-watchdog", daemon=True)
        self._ticked_at = 0.0
        self._interrupted_at = 0.0

    def start(self) -> None:
        """Begins to watch. Call it in the loop's own thread."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        _make_pokable()
        self._tick()
        self._thread.start()

    def stop(self) -> None:
        """No longer watches."""
        self._stop.set()
        self._timer.cancel()
        self._thread.join()

    # --- in the loop ----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticked_at = self._loop.time()
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    # --- in the thread --------------------------------------------------------------------------------------

    def _look_forever(self) -> None:
        looked_at = self._loop.time()
        while not self._stop.wait(TICK_SECONDS):
            now = self._loop.time()
            if now - looked_at > TICK_SECONDS + SUSPENDED_SECONDS:
                self._ticked_at = now  # the whole process slept (a suspended machine): nobody is to blame
            elif now - self._ticked_at > 2 * TICK_SECONDS:
                self._look(now)
            looked_at = now

    def _look(self, now: float) -> None:
        """The loop does not turn; decides whether it has been so for too long."""
        if self._interrupted_at > self._ticked_at:
            if now - self._interrupted_at > self._last_grace_seconds:
                self._end()
        elif now > self._blamed_at():
            self._interrupted_at = now
            if self._runs_handler():
                interrupt(self._loop_thread)

    def _blamed_at(self) -> float:
        """When a step is due: behind the time limit of the handler that runs, or of the system."""
        deadline = self._watch.deadline_of(asyncio.current_task(self._loop))
        return (self._ticked_at + self._limit_seconds if deadline is None else deadline) + self._grace_seconds

    def _runs_handler(self) -> bool:
        """Whether the loop's thread is inside of a handler now; the kernel's own code is not to be interrupted."""
        return self._watch.deadline_of(asyncio.current_task(self._loop)) is not None

    def _end(self) -> None:
        sys.stderr.write(f"the event loop has been blocked since its time limit: ending with status {EXIT_STATUS}\n")
        sys.stderr.flush()
        with contextlib.suppress(ValueError, OSError, RuntimeError):  # standard error may be closed, or no file
            faulthandler.dump_traceback(all_threads=True)
        self._die(EXIT_STATUS)


def interrupt(thread: int) -> None:
    """Raises `LoopBlocked` in a thread, at its next step of Python; a blocking call of the operating system is cut
    short.
    """
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread), ctypes.py_object(LoopBlocked))
    if _POKE is not None and signal.getsignal(_POKE) is _poked:
        signal.pthread_kill(thread, _POKE)


def _make_pokable() -> None:
    """Has a signal interrupt blocking calls (PEP 475); only where nobody else uses it, and only in the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    if _POKE is not None and is_main and signal.getsignal(_POKE) is signal.SIG_DFL:
        signal.signal(_POKE, _poked)


def _poked(number: int, frame: object) -> None:
    """Does nothing: that a step of Python runs is all that is wanted."""
