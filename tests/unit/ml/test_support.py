"""Requests that a model cannot answer are refused in words, before anything is sent."""

from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.errors import BadModelRequest, UnknownModel, UnsupportedRequest
from AgentOperatingSystem.ml.messages import ImagePart, user
from AgentOperatingSystem.ml.records import Capabilities, ModelRequest, NamedTool, OutputSchema, ToolSpec
from AgentOperatingSystem.ml.support import check_supported

ALL = Capabilities(vision=True, max_output_tokens=100)
TOOL = ToolSpec(name="look_up")
EVERYTHING = ModelRequest(
    messages=(user("Hello!", ImagePart(data=b"x")),),
    tools=(TOOL,),
    tool_choice=NamedTool("look_up"),
    json_schema=OutputSchema(schema={"type": "object"}),
    temperature=0.0,
    max_output_tokens=100,
    stop=("END",),
    seed=0,
)


def test_a_model_that_can_do_everything_is_asked() -> None:
    check_supported(EVERYTHING, "x/y", ALL)


@pytest.mark.parametrize(
    ("cannot", "why"),
    [
        ({"tools": False}, "tools"),
        ({"tool_choice": False}, r"a demanded tool \(tool_choice\)"),
        ({"json_schema": False}, "a JSON schema for the answer"),
        ({"vision": False}, "images$"),
        ({"sampling": False}, "temperature"),
        ({"stop": False}, "stop texts"),
        ({"seed": False}, "seed"),
        ({"max_output_tokens": 99}, "max_output_tokens above 99"),
        ({"sampling": False, "seed": False}, "temperature, seed"),
    ],
)
def test_what_it_cannot_do_is_named(cannot: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedRequest, match=f"^x/y does not support: {why}"):
        check_supported(EVERYTHING, "x/y", msgspec.structs.replace(ALL, **cannot))


def test_no_tool_is_demanded_by_auto_and_none() -> None:
    for choice in ("auto", "none"):
        request = msgspec.structs.replace(EVERYTHING, tool_choice=choice)
        check_supported(request, "x/y", msgspec.structs.replace(ALL, tool_choice=False))


def test_streaming_where_there_is_none() -> None:
    with pytest.raises(UnsupportedRequest, match="cannot stream"):
        check_supported(EVERYTHING, "x/y", msgspec.structs.replace(ALL, streaming=False), streaming=True)


def test_another_model_is_never_taken_instead() -> None:
    with pytest.raises(UnknownModel, match="this is x/y, and the request is for x/z"):
        check_supported(ModelRequest.ask("Hello!", model="x/z"), "x/y", ALL)
    check_supported(ModelRequest.ask("Hello!", model="x/y"), "x/y", ALL)


def test_a_request_asks_something_and_its_schema_is_one() -> None:
    with pytest.raises(BadModelRequest, match="no message"):
        check_supported(ModelRequest(messages=()), "x/y", ALL)
    with pytest.raises(BadModelRequest, match="no JSON schema"):
        check_supported(ModelRequest.ask("?", json_schema=OutputSchema(schema={"type": 7})), "x/y", ALL)
