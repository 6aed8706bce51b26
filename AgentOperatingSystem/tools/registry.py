"""`ToolRegistry`: the tools of one agent, by name.

The specification's snippets use it as `self.tools`: `await self.tools.web_search(topic)` (rows 135 and 136).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from AgentOperatingSystem.errors import ConfigurationError, UnknownTool
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import ToolRecord, ToolResult


class ToolRegistry:
    """Tools by name; attribute access gives the tool itself. Raises `ConfigurationError` for a name given twice."""

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            self.register(each)

    def register(self, tool: Tool | Callable[..., Any]) -> Tool:
        """Adds a tool, or a function as a tool. Raises `ConfigurationError` for a name that is taken."""
        made = tool if isinstance(tool, Tool) else FunctionTool(tool)
        name = made.record.name
        if name in self._tools:
            raise ConfigurationError(f"two tools are named {name!r}; give one of them another `name`")
        if hasattr(type(self), name):
            raise ConfigurationError(f"a tool cannot be named {name!r}: that is a method of the registry")
        self._tools[name] = made
        return made

    def records(self) -> tuple[ToolRecord, ...]:
        """What a model is told of the tools, in the order of their registration."""
        return tuple(tool.record for tool in self)

    async def call(self, name: str, arguments: Mapping[str, Any] | str) -> ToolResult:
        """A model's call; see `Tool.call`. A tool that is not there is an error for the model as well."""
        tool = self._tools.get(name)
        if tool is None:
            return ToolResult(content=self._no_such(name), is_error=True)
        return await tool.call(arguments)

    def __getitem__(self, name: str) -> Tool:
        """Raises `UnknownTool`."""
        if name not in self._tools:
            raise UnknownTool(self._no_such(name))
        return self._tools[name]

    def __getattr__(self, name: str) -> Tool:
        """Raises `UnknownTool`, which is an `AttributeError` too."""
        tools: dict[str, Tool] = self.__dict__.get("_tools", {})  # a copy that is being made has none yet
        if name not in tools:
            raise UnknownTool(f"no tool {name!r}; there are {', '.join(tools) or 'none'}")
        return tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def _no_such(self, name: str) -> str:
        return f"no tool {name[:80]!r}; there are {', '.join(self._tools) or 'none'}"
