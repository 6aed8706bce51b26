"""Requests and answers: one hash for one question, values out of answers, JSON there and back."""

from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.errors import ContentFiltered, InvalidInput, MalformedAnswer, NoModelConfigured
from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.messages import ImagePart, ToolCall, assistant, system, tool_result, user
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, NamedTool, OutputSchema, ToolSpec, Usage

REQUEST = ModelRequest(
    messages=(system("Be brief."), user("Hello!", ImagePart(data=b"\x00\xff"))),
    model="openai/gpt-4o-mini",
    tools=(ToolSpec(name="look_up", parameters={"type": "object", "properties": {"id": {"type": "integer"}}}),),
    tool_choice=NamedTool("look_up"),
    json_schema=OutputSchema(schema={"type": "object"}),
    temperature=0.5,
    options={"top_p": 0.9},
)


def changed(**fields: Any) -> ModelRequest:
    return msgspec.structs.replace(REQUEST, **fields)


def test_the_hash_is_what_it_was() -> None:
    """Recorded steps are found by it: where this fails, `canonical.VERSION` has to grow."""
    assert request_hash(ModelRequest.ask("Hello!", model="openai/gpt-4o-mini")) == (
        "4ba817d5de443661290d78925aa681e41fb4ef3e4da696df501177e52d9e0ab5"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": (user("Hello!"),)},
        {"messages": tuple(reversed(REQUEST.messages))},
        {"model": "openai/gpt-4o"},
        {"tools": ()},
        {"tool_choice": "auto"},
        {"json_schema": None},
        {"temperature": 0.6},
        {"max_output_tokens": 5},
        {"stop": ("END",)},
        {"seed": 1},
        {"options": {"top_p": 0.8}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_another_question_has_another_hash(fields: dict[str, Any]) -> None:
    assert request_hash(changed(**fields)) != request_hash(REQUEST)


def test_how_it_is_asked_is_no_part_of_the_hash() -> None:
    assert request_hash(changed(timeout_seconds=3, cache="bypass")) == request_hash(REQUEST)


def test_the_order_of_keys_is_no_part_of_the_hash() -> None:
    turned = ToolSpec(name="look_up", parameters={"properties": {"id": {"type": "integer"}}, "type": "object"})
    assert request_hash(changed(tools=(turned,))) == request_hash(REQUEST)


def test_the_model_counts_whoever_names_it() -> None:
    named, left = ModelRequest.ask("Hello!", model="openai/gpt-4o"), ModelRequest.ask("Hello!")
    assert request_hash(left, "openai/gpt-4o") == request_hash(named) == request_hash(named, "openai/gpt-4o")
    assert request_hash(left, "openai/gpt-4o-mini") != request_hash(named) != request_hash(left)


def test_a_request_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(REQUEST), type=ModelRequest) == REQUEST


def test_an_answer_survives_json() -> None:
    response = ModelResponse(
        text="a", tool_calls=(ToolCall("1", "b", {"c": [1]}),), usage=Usage(input_tokens=1), carry={"x": {"y": 1}}
    )
    assert msgspec.json.decode(msgspec.json.encode(response), type=ModelResponse) == response


def test_unknown_usage_is_not_zero() -> None:
    assert Usage().input_tokens is None
    assert msgspec.json.encode(Usage()) == b"{}"


@pytest.mark.parametrize("given", [{}, {"data": b"x", "url": "https://example.org/x.png"}])
def test_an_image_is_either_data_or_an_address(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="either data or a url"):
        ImagePart(**given)


def test_the_answer_goes_on_as_the_next_message() -> None:
    call = ToolCall("1", "look_up", {"id": 7})
    response = ModelResponse(text="I will look.", tool_calls=(call,), carry={"gemini": [{"x": 1}]})
    assert response.message == msgspec.structs.replace(assistant("I will look.", call), carry={"gemini": [{"x": 1}]})
    result = tool_result(call, "found")
    assert (result.role, result.tool_call_id, result.tool_name, result.text) == ("tool", "1", "look_up", "found")


def test_value_is_the_json_of_the_answer() -> None:
    assert ModelResponse(text='{"priority": 1}').value() == {"priority": 1}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (ModelResponse(text="high", provider="openai"), MalformedAnswer),
        (ModelResponse(text='{"priority"', finish_reason="length", provider="openai"), MalformedAnswer),
        (ModelResponse(text="I cannot.", finish_reason="refusal", provider="openai"), ContentFiltered),
        (ModelResponse(text="No model.", finish_reason="refusal", provider="offline"), NoModelConfigured),
    ],
    ids=["no json", "cut", "declined", "nobody thought"],
)
def test_there_is_no_value_without_a_verdict(response: ModelResponse, error: type[Exception]) -> None:
    with pytest.raises(error):
        response.value()
