"""A Python function as a tool: its name, its docstring and its type hints say all that a model needs to know."""

from collections.abc import Callable
from typing import Any, overload

from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.records import Effect


class FunctionTool(Tool):
    """A tool of one function, plain or `async`; see `Tool` for what its attributes mean.

    Raises `ConfigurationError` for a function whose parameters have no names or no type hints.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        effect: Effect | str = Effect.AT_MOST_ONCE,
        result_bytes_max: int = Tool.result_bytes_max,
        timeout_seconds: float = Tool.timeout_seconds,
        verify: Callable[..., Any] | None = None,
    ) -> None:
        self.run = function
        self.name = name or getattr(function, "__name__", repr(function))
        self.description = description
        self.effect = effect
        self.result_bytes_max = result_bytes_max
        self.timeout_seconds = timeout_seconds
        self.verify = verify
        _ = self.record  # what is wrong with it is said here, and not at its first call


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    effect: Effect | str = Effect.AT_MOST_ONCE,
    result_bytes_max: int = Tool.result_bytes_max,
    timeout_seconds: float = Tool.timeout_seconds,
    verify: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(function: Callable[..., Any] | None = None, /, **attributes: Any) -> Any:
    """`@tool` or `@tool(effect="pure")` above a function makes it a `FunctionTool`, which can still be called."""
    if function is not None:
        return FunctionTool(function)
    return lambda function: FunctionTool(function, **attributes)
