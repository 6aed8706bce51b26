"""A Python function as a tool: its name, its docstring and its type hints say all that a model needs to know."""

from collections.abc import Callable
from typing import Any, overload

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.cancels import named
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
        approval: Callable[..., Any] | str = "",
        approval_seconds: float = Tool.approval_seconds,
        poll: Callable[..., Any] | None = None,
        poll_seconds: float = Tool.poll_seconds,
        cancel: Callable[..., Any] | None = None,
    ) -> None:
        self.run = function
        self.name = name or getattr(function, "__name__", repr(function))
        self.description = description
        self.effect = effect
        self.result_bytes_max = result_bytes_max
        self.timeout_seconds = timeout_seconds
        self.verify = verify
        self.approval = checked_approval(approval)
        self.approval_seconds = approval_seconds
        self.poll = poll
        self.poll_seconds = poll_seconds
        self.cancel = cancel
        named(cancel)
        _ = self.record  # what is wrong with it is said here, and not at its first call


def checked_approval(approval: Callable[..., Any] | str) -> Callable[..., Any] | str:
    """When a tool's calls need an approval. Raises `ConfigurationError` for what says neither."""
    if callable(approval) or approval in ("", "always"):
        return approval
    raise ConfigurationError(f"approval {approval!r}: use 'always', or a function of the arguments")


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
    approval: Callable[..., Any] | str = "",
    approval_seconds: float = Tool.approval_seconds,
    poll: Callable[..., Any] | None = None,
    poll_seconds: float = Tool.poll_seconds,
    cancel: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(function: Callable[..., Any] | None = None, /, **attributes: Any) -> Any:
    """`@tool` or `@tool(effect="pure")` above a function makes it a `FunctionTool`, which can still be called."""
    if function is not None:
        return FunctionTool(function)
    return lambda function: FunctionTool(function, **attributes)
