"""`HeldTools`: an agent's tools as its own code calls them, `await self.tools.web_search(topic)`.

Within a turn each call is a step, as a model's call of the same tool is: recorded when it returns, read back when the
event is tried again, by the tool's declared effect. Outside of a turn it is just the call.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pydantic_core import PydanticSerializationError, to_json

from AgentOperatingSystem.agents.steps import Done
from AgentOperatingSystem.agents.thinking import call_tool, journal_now, tool_call
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.records import HAPPENS_ONCE, ToolRecord, ToolResult
from AgentOperatingSystem.tools.registry import ToolRegistry
from AgentOperatingSystem.tools.signatures import KEY


class HeldTool:
    """One tool. A call within a turn answers the JSON of what the tool returns, at the first try as at the next."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    @property
    def record(self) -> ToolRecord:
        """The tool as models see it."""
        return self.tool.record

    async def call(self, arguments: Mapping[str, Any] | str) -> ToolResult:
        """A model's call: everything that goes wrong is in the result. Raises `HandlerError` alone."""
        return await call_tool(self.tool, arguments)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value. Raises what the tool raises, and `InvalidInput` for arguments that do not fit or are no JSON."""
        journal = journal_now()
        arguments = _named(self.tool, args, kwargs) if journal is not None else None
        if journal is None or arguments is None:
            return await self.tool(*args, **kwargs)

        async def run(idempotency_key: str) -> Done:
            keyed = {**kwargs, KEY: idempotency_key} if KEY in inspect.signature(self.tool.run).parameters else kwargs
            # Where an intent stands, the journal's time limit counts: the tool's own would hide an unknown outcome.
            limit_seconds = 2 * self.tool.timeout_seconds if self.record.effect in HAPPENS_ONCE else None
            value = await self.tool.invoke(args, keyed, timeout_seconds=limit_seconds)
            return Done(content=_json(self.record.name, value))

        return msgspec.json.decode((await journal.run(tool_call(self.tool, arguments), run)).content)


class HeldTools(ToolRegistry):
    """Tools by name; attributes and items are `HeldTool`s, iterating gives the tools themselves."""

    def __getitem__(self, name: str) -> Any:
        """Raises `UnknownTool`."""
        return HeldTool(super().__getitem__(name))

    def __getattr__(self, name: str) -> Any:
        """Raises `UnknownTool`, which is an `AttributeError` too."""
        return HeldTool(super().__getattr__(name))


def _named(tool: Tool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments by name, as JSON; None where they do not fit, which the tool says better."""
    function: Callable[..., Any] = tool.run
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
    except TypeError:
        return None
    named: dict[str, Any] = msgspec.json.decode(_json(tool.record.name, bound))
    return named


def _json(name: str, value: Any) -> bytes:
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{name}: a step of a turn needs JSON: {error}") from None
