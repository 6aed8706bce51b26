"""What goes to AutoGen and what comes back, in plain values: the words between our agents and `autogen.py`.

`perpetual_agent` and `team` make a specification, `autogen.py` builds AutoGen's objects from it and answers.
"""

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import msgspec

from AgentOperatingSystem.agents.rosters import is_said
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.messages import ModelMessage
from AgentOperatingSystem.ml.ports import ModelProvider

Guard = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Asked before each call of a tool, with its name and arguments: the reason why it must not be made, or nothing."""
TeamKind = Literal["round_robin", "selector", "swarm", "magentic_one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MindSpec:
    """One thinking member."""

    name: str
    provider: ModelProvider
    system_message: str
    description: str
    tools: tuple[Any, ...] = ()
    handoffs: tuple[str, ...] = ()
    """Names of the members to whom it may hand over."""
    guard: Guard | None = None
    tool_rounds_max: int = 8
    """How often in one task it may look at its tools' results and call again."""
    is_aloud: bool = True
    """Whether its words may be told to whoever listens before the event has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSpec:
    """One team."""

    name: str
    kind: TeamKind
    members: tuple[MindSpec, ...]
    provider: ModelProvider
    """The model of whoever leads: the selector's, MagenticOne's orchestrator's."""
    condition: Any = None
    turns_max: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of AutoGen's class."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a run."""

    source: str
    text: str
    type: str
    """AutoGen's type, such as `TextMessage`, or `ToolCallRequestEvent` for what happens within one member's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run came to."""

    text: str
    said: tuple[Said, ...]
    stop_reason: str
    state: dict[str, Any]
    """AutoGen's state after it, plain JSON; empty for a single mind, whose conversation is `heard`."""
    input_tokens: int
    output_tokens: int
    heard: tuple[ModelMessage, ...] = ()
    """What a run added to a single mind's conversation: the task, calls of tools with their results, the answer."""


def answer_of(
    result: Any, state: dict[str, Any], before: Any, after: Any, heard: tuple[ModelMessage, ...] = ()
) -> Answer:
    """An answer from AutoGen's `TaskResult`, its state, and what the models had used before and after the run."""
    said = tuple(Said(each.source, each.to_text(), type(each).__name__) for each in result.messages)
    spoken = [each.text for each in said if is_said({"type": each.type})]
    return Answer(
        text=spoken[-1] if spoken else "",
        said=said,
        stop_reason=result.stop_reason or "",
        state=state,
        input_tokens=after.prompt_tokens - before.prompt_tokens,
        output_tokens=after.completion_tokens - before.completion_tokens,
        heard=heard,
    )


BRIDGE = "AgentOperatingSystem.agents.autogen"
"""What an agent that thinks loads (`BaseAgent.preloads`)."""


def bridge() -> ModuleType:
    """`autogen.py`, loaded at the first use. Raises `ConfigurationError` where AutoGen is not installed."""
    try:
        return importlib.import_module(BRIDGE)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("autogen"):
            raise
        raise ConfigurationError(
            "thinking needs AutoGen, which is not installed: pip install 'agent-operating-system[autogen]'"
        ) from None


def task_of(event: Event) -> str:
    """What an event asks, as text: its data where that is a text, else its type, subject and data as JSON."""
    if isinstance(event.data, str):
        return event.data
    told = {"type": event.type, "subject": event.subject, "data": event.data}
    return msgspec.json.encode({name: value for name, value in told.items() if value not in ("", None)}).decode()


def name_of(tool: Any) -> str:
    """How a model calls a tool: by its record's name, or a function's own."""
    record = getattr(tool, "record", None)
    name: str = record.name if record is not None else getattr(tool, "__name__", getattr(tool, "name", ""))
    return name
