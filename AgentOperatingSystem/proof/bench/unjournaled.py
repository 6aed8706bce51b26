"""A turn without a journal, for the benchmark alone: the same calls, of which nothing is recorded.

What the contestants without a journal are measured with, so that they differ from the others in nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.steps import Call, Done, Run
from AgentOperatingSystem.errors import HandlerError
from AgentOperatingSystem.events import Event


@dataclass(frozen=True, slots=True)
class _Ticket:
    """One call that leaves nothing behind."""

    idempotency_key: str = ""
    recorded: Done | None = None
    model: str = ""

    async def finish(self, done: Done) -> None:
        """Records nothing."""

    async def fail(self, error: BaseException) -> None:
        """Records nothing."""


class Unjournaled:
    """`agents.steps.Journal` that keeps nothing."""

    def open(self) -> "Unjournaled":
        return self

    def clock(self) -> float:
        return 0.0

    async def run(self, call: Call, run: Run) -> Done:
        return await run("")

    async def begin(self, call: Call) -> _Ticket:
        return _Ticket()

    async def wait(self, call: Call, expires: float, ask: Callable[[str], list[Event]]) -> Done:
        raise HandlerError(f"{call.what}: nobody can wait without a journal")


_NOTHING: Final = Unjournaled()


def without_journal(context: Context) -> None:
    """Whatever this handling calls from now on is called and forgotten."""
    context._steps = _NOTHING
