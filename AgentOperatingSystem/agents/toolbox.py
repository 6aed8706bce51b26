"""The tools of one mind, behind one call: what `autogen.py` shows to AutoGen, and what AutoGen's agents call.

A model's call comes in here, is asked about (the guard), made, and answered; nothing of it is AutoGen's. What a tool
wants to tell the kernel is kept in `Halt`, because AutoGen makes text of every exception of a tool.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from AgentOperatingSystem.agents import progress
from AgentOperatingSystem.agents.minds import Guard
from AgentOperatingSystem.agents.thinking import Usable, call_tool
from AgentOperatingSystem.errors import ConfigurationError, HandlerError
from AgentOperatingSystem.ml.records import ToolSpec
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import Effect, ToolRecord, ToolResult


class ForeignTool:
    """A tool of another library. Where nobody says anything of its effect, that is taken for the worst."""

    def __init__(
        self,
        spec: ToolSpec,
        run: Callable[[Mapping[str, Any]], Awaitable[str | ToolResult]],
        effect: Effect = Effect.AT_MOST_ONCE,
        approval: Callable[..., Any] | str = "",
    ) -> None:
        self.approval = approval
        self.approval_seconds = Tool.approval_seconds
        self.record = ToolRecord(
            name=spec.name, description=spec.description, parameters=spec.parameters, effect=effect
        )
        self._run = run

    def complaint(self, arguments: Mapping[str, Any]) -> str:
        """Only the other library knows what is wrong with arguments, and says so when it is called."""
        return ""

    async def call(self, arguments: Mapping[str, Any] | str, /) -> ToolResult:
        """Raises `HandlerError` alone; every other exception is for the model."""
        try:
            given = msgspec.json.decode(arguments or "{}") if isinstance(arguments, str) else arguments
            made = await self._run(given)
            return made if isinstance(made, ToolResult) else ToolResult(content=made)
        except HandlerError:
            raise
        except Exception as error:
            return ToolResult(content=f"{type(error).__name__}: {error}", is_error=True)


@dataclass(slots=True)
class Halt:
    """Why a run must not go on; one for all members of a team."""

    error: Exception | None = None

    def check(self) -> None:
        """Raises what a tool, or its guard, wants the kernel to know."""
        if self.error is not None:
            raise self.error


class Toolbox:
    """Tools by name. Raises `ConfigurationError` for a name that is given twice, or is `taken` by something else."""

    def __init__(
        self, tools: Iterable[Usable], guard: Guard | None, halt: Halt, taken: Sequence[str] = (), owner: str = ""
    ) -> None:
        self._tools: dict[str, Usable] = {}
        for each in tools:
            name = each.record.name
            if name in taken:
                raise ConfigurationError(f"tool {name!r}: a handoff has this name; give the tool another `name`")
            if name in self._tools:
                raise ConfigurationError(f"two tools are named {name!r}; give one of them another `name`")
            self._tools[name] = each
        self._guard = guard
        self._halt = halt
        self._owner = owner
        self._calls = 0

    def records(self) -> tuple[ToolRecord, ...]:
        """What a model is told of the tools, in their order."""
        return tuple(tool.record for tool in self._tools.values())

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """A model's call. What goes wrong is in the result; a `HandlerError`, and what keeps the guard from judging,
        halts the run. Both are told to whoever listens.
        """
        self._calls += 1
        about = {"source": self._owner, "call": f"{self._owner}-{self._calls}", "tool": name}
        progress.tell(progress.TOOL_CALL, **about, arguments=dict(arguments))
        result = await self._answered(name, arguments)
        if isinstance(tool := self._tools.get(name), Tool):
            tool.noted(arguments, result)
        progress.tell(progress.TOOL_RESULT, **about, content=result.content, is_error=result.is_error)
        return result

    async def _answered(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            reason = await self._guard(name, dict(arguments)) if self._guard is not None else ""
        except Exception as error:
            return self._halted(name, error)
        if reason:
            return ToolResult(content=f"{name} was not called: {reason}", is_error=True)
        try:
            return await call_tool(self._tools[name], arguments)
        except HandlerError as error:
            return self._halted(name, error)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return ToolResult(content=f"{name} was broken off", is_error=True)

    def _halted(self, name: str, error: Exception) -> ToolResult:
        self._halt.error = self._halt.error or error
        return ToolResult(content=f"{name} ended the run", is_error=True)


def usable(tool: Any, adopt: Callable[[Any], Usable | None]) -> Usable:
    """One of our tools, what `adopt` makes of a stranger's, or a Python function as a tool.

    Raises `ConfigurationError` for what is none of these, or is not well formed.
    """
    if isinstance(tool, type) and issubclass(tool, Tool):
        raise ConfigurationError(f"{tool.__name__} is a class of tools: give one of its objects, {tool.__name__}()")
    made = tool if isinstance(tool, Tool) else adopt(tool)
    if made is None and not callable(tool):
        raise ConfigurationError(f"{tool!r} is no tool: give a Python function with type hints, or a Tool")
    return made or FunctionTool(tool)
