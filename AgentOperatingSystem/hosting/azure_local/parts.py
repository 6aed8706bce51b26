"""One process beside ours: started, listened to until it is ready, told to end, ended.

It has a process group of its own, so that Ctrl-C in a terminal reaches us alone and the parts end in their order.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from AgentOperatingSystem.errors import ConfigurationError

KILL_SECONDS = 5.0


class Part:
    """A running process; its standard error is ours."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self._silence: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        keeps: Sequence[int] = (),
        errors: int | None = None,
    ) -> "Part":
        """Starts it; it holds the file descriptors in `keeps` too, and `errors` takes its standard error.

        Raises `ConfigurationError`.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                pass_fds=tuple(keeps),
            )
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be started: {command[0]}: {error.strerror}") from None
        return cls(name, process)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended: its exit status, or the signal's number below zero; None while it runs."""
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def until(self, hears: Callable[[str], bool], seconds: float) -> None:
        """Reads its lines until `hears` says that it is ready. Raises `ConfigurationError`: it ends, or is silent."""
        try:
            async with asyncio.timeout(seconds):
                while not hears(await self._line()):
                    continue
        except TimeoutError:
            raise ConfigurationError(f"{self.name} was not ready after {seconds:g} s") from None
        self._silence = asyncio.create_task(self._drain())

    async def ended(self) -> str:
        """Waits until it ends, and says how."""
        status = await self._process.wait()
        return f"{self.name} ended by itself, with status {status}"

    async def stop(self, seconds: float) -> None:
        """Asks it to end, and ends it where that takes longer than so many seconds."""
        for name, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
                break
        if self._silence is not None:
            self._silence.cancel()
            await asyncio.gather(self._silence, return_exceptions=True)

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ConfigurationError(await self.ended())
        return line.decode("utf-8", "replace").rstrip()

    async def _drain(self) -> None:
        """What it says later is read, so that it never waits for a reader."""
        assert self._process.stdout is not None
        while await self._process.stdout.readline():
            continue
