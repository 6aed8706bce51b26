"""`LocalSandbox`: a cage of Linux namespaces on this machine, for one program at a time and then thrown away.

Tools and agents call `run`; a process of its own (`cage/main`) does everything that needs rights and gives them up.
Before the first program a self-test runs in the same kind of cage: where the machine cannot isolate, or a legitimate
program fails there, every `run` raises `SandboxUnavailable`. Nothing ever runs outside of a cage.
docs/sandbox.md says what is contained and what is not.
"""

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from AgentOperatingSystem.errors import InvalidInput, SandboxUnavailable, TooLarge
from AgentOperatingSystem.tools.sandbox import self_test
from AgentOperatingSystem.tools.sandbox.cage import control_groups, report, request
from AgentOperatingSystem.tools.sandbox.python_view import command, environment, python_view
from AgentOperatingSystem.tools.sandbox.records import CODE_BYTES_MAX, KIB, MIB, ExitReason, SandboxResult
from AgentOperatingSystem.tools.workers import ask

GRACE_SECONDS = 0.7
"""After the deadline the cage ends its program; after this much more, the host ends the cage."""
MEMORY_BYTES_MIN = 64 * MIB
OVERHEAD_BYTES = 64 * MIB
_HEADER_BYTES_MAX = 64 * KIB


class LocalSandbox:
    """Cages on this machine. Needs Linux with user namespaces; works for root and for an ordinary user.

    `packages`: folders and files that programs may import, shown read-only. `concurrent_max`: cages at the same time;
    further calls wait, and their time counts from when they run. `scratch_bytes_max`: what fits into /tmp.
    """

    def __init__(
        self,
        *,
        packages: Sequence[Path] = (),
        concurrent_max: int = 4,
        scratch_bytes_max: int = 64 * MIB,
        file_bytes_max: int = 16 * MIB,
        threads_max: int = 32,
    ) -> None:
        self._packages = tuple(packages)
        self._running = asyncio.Semaphore(concurrent_max)
        self._limits: dict[str, Any] = {
            "scratch_bytes_max": scratch_bytes_max,
            "file_bytes_max": file_bytes_max,
            "threads_max": threads_max,
        }
        self._checking = asyncio.Lock()

    async def run(
        self,
        code: str,
        *,
        inputs: Any = None,
        timeout_seconds: float = 10,
        memory_bytes_max: int = 256 * MIB,
        output_bytes_max: int = 64 * KIB,
    ) -> SandboxResult:
        """As the port says; comes back at the latest one second after `timeout_seconds`."""
        view = await self._checked_view()
        asked = request.Request(
            code=code,
            inputs=inputs,
            view=view,
            timeout_seconds=_checked_seconds(timeout_seconds),
            memory_bytes_max=_at_least("memory_bytes_max", memory_bytes_max, MEMORY_BYTES_MIN),
            output_bytes_max=_at_least("output_bytes_max", output_bytes_max, 0),
            **self._limits,
        )
        return await self._run(asked)

    async def check(self) -> None:
        """Tries the cage, once in a process; later calls cost nothing. Raises `SandboxUnavailable`."""
        await self._checked_view()

    async def _checked_view(self) -> request.View:
        _check_platform()
        key = (sys.executable, self._packages)
        async with self._checking:
            if key not in _views:
                await asyncio.to_thread(control_groups.sweep)
                view = await python_view(self._packages)
                self_test.judge(await self._run(self_test.request_for(view)))
                _views[key] = view
        return _views[key]

    async def _run(self, asked: request.Request) -> SandboxResult:
        content = _encoded(asked)
        async with self._running:
            making = asyncio.create_task(asyncio.to_thread(_make_groups, asked))
            try:
                groups = await asyncio.shield(making)
                content = _encoded(asked._replace(control_groups=groups)) if groups else content
                answer = await _converse(content, asked)
            finally:  # also of a run that was cancelled while they were being made
                await asyncio.to_thread(control_groups.remove, await making)
        return _result_of(answer)


async def _converse(content: bytes, asked: request.Request) -> bytes:
    """Tells a new cage what to run, and reads its report. When this returns or raises, the cage is gone."""
    try:
        return await ask(
            command(),
            content,
            environment=environment(),
            seconds_max=asked.timeout_seconds + GRACE_SECONDS,
            size_max=asked.output_bytes_max + _HEADER_BYTES_MAX,
        )
    except TimeoutError:
        late = report.Report(reason=ExitReason.DEADLINE, duration_seconds=asked.timeout_seconds)
        return report.encode(late)
    except OSError as error:
        raise SandboxUnavailable(f"sandbox: a process cannot be started: {error}. {_ADVICE}") from None


def _result_of(answer: bytes) -> SandboxResult:
    """Reads the report. Raises `SandboxUnavailable` where it says that there was no cage."""
    try:
        told = report.decode(answer)
    except (ValueError, KeyError, TypeError):
        return SandboxResult(reason=ExitReason.LOST)
    if told.unavailable:
        raise SandboxUnavailable(f"sandbox: this machine cannot isolate a program: {told.unavailable}. {_ADVICE}")
    reason, result = _value_of(ExitReason(told.reason), told.result)
    return SandboxResult(
        stdout=told.stdout.decode(errors="replace"),
        stderr=told.stderr.decode(errors="replace"),
        result=result,
        reason=reason,
        exit_code=told.exit_code,
        duration_seconds=told.duration_seconds,
    )


def _value_of(reason: ExitReason, result: bytes) -> tuple[ExitReason, Any]:
    """The program could have written anything where its result belongs; what is not JSON makes it an error."""
    if reason is not ExitReason.DONE or not result:
        return reason, None
    try:
        return reason, json.loads(result)
    except (ValueError, RecursionError):
        return ExitReason.ERROR, None


def _encoded(asked: request.Request) -> bytes:
    try:
        content = request.encode(asked)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"sandbox: the inputs cannot be written as JSON: {error}") from None
    if len(content) > CODE_BYTES_MAX:
        raise TooLarge(f"sandbox: code and inputs have {len(content)} bytes; the limit is {CODE_BYTES_MAX}")
    return content


def _make_groups(asked: request.Request) -> tuple[str, ...]:
    memory = asked.memory_bytes_max + asked.scratch_bytes_max + OVERHEAD_BYTES
    return control_groups.make(uuid4().hex, memory, asked.threads_max + 8)


def _check_platform() -> None:
    if sys.platform != "linux":
        raise SandboxUnavailable(f"sandbox: needs Linux, and this is {sys.platform}. {_ADVICE}")


def _checked_seconds(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds > 0):
        raise InvalidInput(f"sandbox: timeout_seconds is {seconds!r}; it must be above 0 and finite")
    return seconds


def _at_least(name: str, value: int, least: int) -> int:
    if value < least:
        raise InvalidInput(f"sandbox: {name} is {value}; the least is {least}")
    return value


_views: dict[tuple[str, tuple[Path, ...]], request.View] = {}
"""What was found good, for each interpreter and set of packages."""
_ADVICE = "docs/sandbox.md says what it needs; nothing was run"
