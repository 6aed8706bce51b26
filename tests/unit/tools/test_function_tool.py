"""Functions and classes as tools: their schemas, their calls, and errors that never look like a success."""

import asyncio
import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from AgentOperatingSystem.errors import (
    ConfigurationError,
    InvalidInput,
    RequestTimedOut,
    Retryable,
    ServiceError,
    UnknownTool,
)
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from AgentOperatingSystem.tools.records import Effect
from AgentOperatingSystem.tools.registry import ToolRegistry


class Unit(StrEnum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    city: str
    country: str = "DE"


@dataclass
class Weather:
    day: date
    degrees: float


def forecast(
    place: Place,
    days: Annotated[int, Field(ge=1, le=7)] = 1,
    unit: Unit = Unit.CELSIUS,
    mode: Annotated[Literal["short", "long"], "how much to say"] = "short",
) -> list[Weather]:
    """The weather of the next days.

    As seen from a window.

    Args:
        place: where to look out,
            over two lines
        days (int): how many

    Returns:
        not for the model
    """
    return [Weather(date(2026, 1, 1 + each), 20.5) for each in range(days)]


def test_the_schema_comes_from_hints_and_docstring() -> None:
    record = FunctionTool(forecast).record
    assert record.name == "forecast"
    assert record.description == "The weather of the next days.\n\nAs seen from a window."
    assert record.effect is Effect.AT_MOST_ONCE
    properties = record.parameters["properties"]
    assert record.parameters["required"] == ["place"]
    assert record.parameters["additionalProperties"] is False
    assert properties["place"]["description"] == "where to look out, over two lines"
    assert properties["days"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 7,
        "default": 1,
        "description": "how many",
    }
    assert properties["mode"]["enum"] == ["short", "long"]
    assert properties["mode"]["description"] == "how much to say"
    assert record.parameters["$defs"]["Place"]["properties"]["city"] == {"type": "string"}
    assert record.parameters["$defs"]["Unit"]["enum"] == ["celsius", "kelvin"]


async def test_a_model_s_call() -> None:
    told = await FunctionTool(forecast).call('{"place": {"city": "Kiel"}, "days": 2}')
    assert not told.is_error
    assert told.content == '[{"day":"2026-01-01","degrees":20.5},{"day":"2026-01-02","degrees":20.5}]'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "place: Field required"),
        ({"place": {"city": "Kiel"}, "days": 9}, "days: Input should be less than or equal to 7"),
        ({"place": {"city": 1}}, "place.city: Input should be a valid string"),
        ({"place": {"city": "Kiel"}, "mode": "no"}, "mode: Input should be 'short' or 'long'"),
        ({"place": {"city": "Kiel"}, "extra": 1}, "extra: Extra inputs are not permitted"),
        ("{", "the arguments are not JSON"),
        ("[1]", "the arguments are not a JSON object"),
        ("[" * 100_000, "the arguments are not JSON"),
    ],
)
async def test_wrong_arguments_are_errors_for_the_model(arguments: Any, message: str) -> None:
    told = await FunctionTool(forecast).call(arguments)
    assert told.is_error
    assert message in told.content
    assert told.content.startswith("forecast: ")
    assert "http" not in told.content


def nothing() -> None:
    """Does nothing."""


async def later(text: str, times: int = 2) -> str:
    """Says it again.

    :param text: what is said
    :param int times: how often,
        at least once
    :returns: the text
    """
    await asyncio.sleep(0)
    return text * times


async def test_tools_without_arguments_or_result() -> None:
    made = FunctionTool(nothing)
    assert made.record.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    told = [await made.call(""), await made.call("{}"), await made.call({})]
    assert [(each.content, each.is_error) for each in told] == [("null", False)] * 3


async def test_async_functions_and_rest_docstrings() -> None:
    made = FunctionTool(later)
    assert made.record.description == "Says it again."
    assert made.record.parameters["properties"] == {
        "text": {"type": "string", "description": "what is said"},
        "times": {"type": "integer", "default": 2, "description": "how often, at least once"},
    }
    assert (await made.call({"text": "ab"})).content == "abab"


def fails(kind: str) -> str:
    raise {"value": ValueError("no such thing"), "service": ServiceError("down"), "long": ValueError("x" * 9999)}[kind]


@pytest.mark.parametrize(
    ("kind", "content"),
    [("value", "ValueError: no such thing"), ("service", "down"), ("other", "KeyError: 'other'")],
)
async def test_exceptions_are_errors_for_the_model(kind: str, content: str) -> None:
    told = await FunctionTool(fails).call({"kind": kind})
    assert (told.content, told.is_error) == (content, True)


async def test_an_error_s_text_has_an_end() -> None:
    assert len((await FunctionTool(fails).call({"kind": "long"})).content) == 2000


async def test_what_a_tool_says_to_the_kernel_passes() -> None:
    def later() -> None:
        raise Retryable("busy", after_seconds=3)

    with pytest.raises(Retryable):
        await FunctionTool(later).call({})


async def test_cancellation_passes() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(FunctionTool(forever).call({}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.virtual_time
async def test_a_tool_that_takes_too_long() -> None:
    async def slow() -> str:
        await asyncio.sleep(3600)
        return "late"

    made = FunctionTool(slow, timeout_seconds=5)
    told = await made.call({})
    assert (told.content, told.is_error) == ("slow: no answer within 5 s", True)
    with pytest.raises(RequestTimedOut):
        await made()


async def test_a_time_out_of_the_tool_s_own_is_its_error() -> None:
    async def impatient() -> None:
        raise TimeoutError("of mine")

    assert (await FunctionTool(impatient).call({})).content == "TimeoutError: of mine"


async def test_a_plain_function_does_not_hold_up_the_loop() -> None:
    async def on() -> None:
        await asyncio.sleep(0)
        gate.set()

    gate = threading.Event()
    opening = asyncio.create_task(on())
    assert (await FunctionTool(lambda: gate.wait(5), name="waits").call({})).content == "true"
    await opening


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        (None, "null"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        (Place(city="Ulm"), '{"city":"Ulm","country":"DE"}'),
    ],
)
async def test_results(value: Any, content: str) -> None:
    assert (await FunctionTool(lambda: value, name="gives").call({})).content == content


@pytest.mark.parametrize(
    ("value", "message"),
    [(object(), "cannot be written as JSON"), ("x" * 101, "has 101 bytes; the limit is 100"), ("ü" * 51, "102 bytes")],
)
async def test_results_that_are_errors(value: Any, message: str) -> None:
    told = await FunctionTool(lambda: value, name="gives", result_bytes_max=100).call({})
    assert told.is_error
    assert message in told.content


def odd(schema: str, model_config: int, self_: bool, title: str, json: float, copy: str = "c") -> str:
    """Names that pydantic uses itself."""
    return f"{schema} {model_config} {self_} {title} {json} {copy}"


async def test_no_parameter_s_name_is_special() -> None:
    made = FunctionTool(odd)
    assert list(made.record.parameters["properties"]) == ["schema", "model_config", "self_", "title", "json", "copy"]
    given = {"schema": "s", "model_config": 1, "self_": True, "title": "t", "json": 0.5}
    assert (await made.call(given)).content == "s 1 True t 0.5 c"


def unhinted(a) -> str:  # type: ignore[no-untyped-def]
    return str(a)


def unresolved(a: "Missing") -> str:  # type: ignore[name-defined]  # noqa: F821
    return ""


def starred(*a: int, **b: int) -> str:
    return ""


def positional(a: int, /) -> str:
    return ""


def not_json(a: threading.Lock) -> str:
    return ""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unhinted, "tool unhinted: parameter 'a' needs a type hint"),
        (unresolved, "tool unresolved: its type hints cannot be resolved: name 'Missing'"),
        (starred, r"tool starred: a model cannot fill \*a"),
        (positional, "tool positional: a model cannot fill a: int"),
        (not_json, "tool not_json: Unable to generate"),
        (lambda: 1, "tool name '<lambda>'"),
        (partial(nothing), r"tool name .functools\.partial"),
    ],
)
def test_functions_that_cannot_be_tools(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FunctionTool(function)


def test_effects() -> None:
    assert FunctionTool(nothing, effect="pure").record.effect is Effect.PURE
    assert Effect(tool(effect="verify")(nothing).effect) is Effect.VERIFY
    assert tool(nothing).record.effect is Effect.AT_MOST_ONCE
    with pytest.raises(ConfigurationError, match="pure, idempotent, verify, at_most_once"):
        FunctionTool(nothing, effect="harmless")


async def test_a_decorated_function_can_still_be_called() -> None:
    @tool
    def add(a: int, b: int = 1) -> int:
        """Adds."""
        return a + b

    assert await add(2, b=3) == 5
    assert await add(2) == 3
    with pytest.raises(InvalidInput, match="add: a: Input should be a valid integer"):
        await add("two")
    with pytest.raises(InvalidInput, match="missing a required argument: 'a'"):
        await add()


class WebSearchTool(Tool):
    """Looks something up."""

    effect = "pure"

    def __init__(self, engine: str) -> None:
        self.engine = engine

    async def run(self, query: str) -> list[str]:
        return [f"{self.engine}: {query}"]


class DocumentAnalyzer(Tool):
    name = "analyze_documents"
    description = "Reads documents."

    def run(self, documents: list[str]) -> int:
        """Not what the model is told."""
        return len(documents)


class Empty(Tool):
    pass


async def test_classes_as_tools() -> None:
    record = WebSearchTool("x").record
    assert (record.name, record.description, record.effect) == ("web_search", "Looks something up.", Effect.PURE)
    assert DocumentAnalyzer().record.description == "Reads documents."
    assert (await WebSearchTool("x").call({"query": "q"})).content == '["x: q"]'
    with pytest.raises(ConfigurationError, match="tool Empty: it has no method `run`"):
        _ = Empty().record


async def test_a_registry_gives_tools_by_attribute() -> None:
    tools = ToolRegistry([WebSearchTool("x"), DocumentAnalyzer()])
    results = await tools.web_search("topic")
    assert await tools.analyze_documents(results) == 1
    assert [record.name for record in tools.records()] == ["web_search", "analyze_documents"]
    assert "web_search" in tools
    assert len(tools) == 2
    assert tools["web_search"] is tools.web_search


async def test_a_registry_without_that_tool() -> None:
    tools = ToolRegistry([DocumentAnalyzer()])
    with pytest.raises(UnknownTool, match="no tool 'web_search'; there are analyze_documents"):
        _ = tools.web_search
    with pytest.raises(UnknownTool):
        _ = tools["web_search"]
    assert not hasattr(tools, "web_search")
    told = await tools.call("web_search", "{}")
    assert (told.content, told.is_error) == ("no tool 'web_search'; there are analyze_documents", True)
    assert (await tools.call("analyze_documents", {"documents": []})).content == "0"
    assert list(copy.copy(tools).records()) == list(tools.records())


def test_a_registry_takes_a_name_once() -> None:
    tools = ToolRegistry([WebSearchTool("x")])
    with pytest.raises(ConfigurationError, match="two tools are named 'web_search'"):
        tools.register(WebSearchTool("y"))
    with pytest.raises(ConfigurationError, match="cannot be named 'call'"):
        tools.register(FunctionTool(nothing, name="call"))
    assert tools.register(nothing).record.name == "nothing"
