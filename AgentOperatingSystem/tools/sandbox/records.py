"""What a sandbox is asked for and what it answers; the same for the cage on this machine and for a cloud's."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

KIB = 1024
MIB = 1024 * KIB
CODE_BYTES_MAX = 8 * MIB


class ExitReason(StrEnum):
    """How a program ended."""

    DONE = "done"  # by itself, with exit code 0
    ERROR = "error"  # an exception that it did not catch, or another exit code
    DEADLINE = "deadline"  # stopped at `timeout_seconds`
    MEMORY = "memory"  # it asked for more than `memory_bytes_max`
    OUTPUT = "output"  # stopped when it had written more than `output_bytes_max`
    SIGNAL = "signal"  # a crash of the interpreter, such as a stack overflow in native code
    LOST = "lost"  # the sandbox itself was ended from outside


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """How a program ended and what it left. Every text in it was chosen by the program: it is a stranger's."""

    stdout: str = ""
    stderr: str = ""
    result: Any = None  # the value of the program's variable `result`, as JSON
    reason: ExitReason
    exit_code: int | None = None
    duration_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it came to its end without an error."""
        return self.reason is ExitReason.DONE


class Sandbox(Protocol):
    """Runs a program of which nothing is known."""

    async def run(
        self,
        code: str,
        *,
        inputs: Any = None,
        timeout_seconds: float = 10,
        memory_bytes_max: int = 256 * MIB,
        output_bytes_max: int = 64 * KIB,
    ) -> SandboxResult:
        """Runs `code` with the variable `inputs`; what it leaves in `result` comes back.

        A program that fails is an answer, not an exception. Raises `SandboxUnavailable` where there is no safe place
        to run it, and `InvalidInput` for limits or inputs that make no sense.
        """
        ...
