"""`run_python`: the tool with which a model runs the program that it wrote, in the configured sandbox.

A `CoderAgent` has one; any other agent may be given `RunPython()`. What the program printed goes back to the model, a
failed program as an error.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec

from AgentOperatingSystem.errors import (
    ConfigurationError,
    InvalidInput,
    Overloaded,
    Quarantine,
    ServiceError,
    Unavailable,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.records import Effect, ToolResult
from AgentOperatingSystem.tools.sandbox.harness import ProgramRun, run_program
from AgentOperatingSystem.tools.sandbox.records import ExitReason, Sandbox
from AgentOperatingSystem.tools.sandbox.running import OneSandbox, sandboxes

TIMEOUT_SECONDS = 10.0
SHOWN_LENGTH_MAX = 8000
COMPLAINT_LENGTH_MAX = 1500
_START_SECONDS_MAX = 90.0
"""What a sandbox may take on top: waiting for a free one, starting it."""
_ran: ContextVar[list[ProgramRun] | None] = ContextVar("ran", default=None)
_HOW = {
    ExitReason.ERROR: "ended with an error",
    ExitReason.DEADLINE: "was stopped: it ran longer than its time limit",
    ExitReason.MEMORY: "was stopped: it asked for too much memory",
    ExitReason.OUTPUT: "was stopped: it printed too much",
    ExitReason.SIGNAL: "crashed",
    ExitReason.LOST: "was ended from outside",
}


class RunPython(Tool):
    """Runs programs for one agent, each in a new sandbox: the system's, or the one that is given.

    `runs` keeps every program that a mind has run with it, and what came of it, in the order in which they ended, those
    included that are read back when an event is tried again; after `runs_max` of them the model is refused. Where no
    program can run, nothing is run and the event is quarantined with the reason; while the service behind the sandbox
    is down or full, the agent backs off.
    """

    name = "run_python"
    effect = Effect.PURE  # a sandbox has no network and is thrown away

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        *,
        agent: AgentId | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        runs_max: int | None = None,
    ) -> None:
        self.runs: list[ProgramRun] = []
        self.timeout_seconds = timeout_seconds + _START_SECONDS_MAX
        self._given = OneSandbox(sandbox) if sandbox is not None else None
        self._agent = agent or AgentId("run_python")
        self._seconds = timeout_seconds
        self._runs_max = runs_max
        self._in_flight = 0

    async def check(self) -> None:
        """Raises `Quarantine` where it is known already that no program will run."""
        try:
            await (self._given or sandboxes()).check()
        except ConfigurationError as error:
            raise Quarantine(str(error)) from None

    async def run(self, code: str) -> dict[str, Any]:
        """Runs a Python program by itself in a sandbox without network, and answers what it printed.

        Only the standard library is there. Print what you want to see; leave a JSON value in the variable `result`
        where a value is asked for; files that the program writes into its working folder are kept.

        Args:
            code: The whole program.
        """
        if self._runs_max is not None and len(self.runs) + self._in_flight >= self._runs_max:
            raise InvalidInput(f"no run is left: {self._runs_max} programs were run for this task")
        self._in_flight += 1
        try:
            run = await self._ran(code)
        finally:
            self._in_flight -= 1
        if (ran := _ran.get()) is not None:
            ran.append(run)
        if not run.ok:
            raise InvalidInput(complaint_of(run))
        told = {"printed": clipped(run.stdout, SHOWN_LENGTH_MAX), "result": run.result}
        if run.stderr:
            told["errors"] = run.stderr[-COMPLAINT_LENGTH_MAX:]
        return told | ({"files": {file.name: file.size_bytes for file in run.files}} if run.files else {})

    async def call(
        self, arguments: Mapping[str, Any] | str, *, idempotency_key: str = "", timeout_seconds: float | None = None
    ) -> ToolResult:
        """As every tool; the result's detail is the program's run, files included."""
        ran: list[ProgramRun] = []
        token = _ran.set(ran)
        try:
            result = await super().call(arguments, idempotency_key=idempotency_key, timeout_seconds=timeout_seconds)
        finally:
            _ran.reset(token)
        return replace(result, detail=msgspec.to_builtins(ran)) if ran else result

    def noted(self, arguments: Mapping[str, Any], result: ToolResult) -> None:
        """Keeps the run."""
        self.runs += msgspec.convert(result.detail or [], list[ProgramRun])

    async def _ran(self, code: str) -> ProgramRun:
        try:
            async with (self._given or sandboxes()).open(self._agent, uuid4().hex) as sandbox:
                return await run_program(sandbox, code, self._seconds)
        except ConfigurationError as error:
            raise Quarantine(str(error)) from None
        except Overloaded as error:
            raise Unavailable(str(error), error.retry_after_seconds) from None
        except ServiceError as error:
            raise Unavailable(str(error)) from None


def complaint_of(run: ProgramRun) -> str:
    """Why a program did not come to its end, in its own words as far as it had any."""
    said = (run.stderr.strip() or run.stdout.strip())[-COMPLAINT_LENGTH_MAX:]
    return f"the program {_HOW[run.reason]}" + (f":\n{said}" if said else "")


def clipped(text: str, length_max: int) -> str:
    """The beginning and the end of a text that is too long, and how much lies between."""
    if len(text) <= length_max:
        return text
    half = length_max // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"
