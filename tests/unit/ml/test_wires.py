"""What is particular to one provider's words. (tests/contract asks every provider for what they have in common.)"""

from typing import Any

import pytest

from AgentOperatingSystem.errors import ContentFiltered, MalformedAnswer, ModelUnavailable
from AgentOperatingSystem.ml.endpoints import COMPATIBLE
from AgentOperatingSystem.ml.messages import ToolCall, assistant, tool_result, user
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, NamedTool, ToolSpec, Usage
from AgentOperatingSystem.ml.wires import Wire
from AgentOperatingSystem.ml.wires.anthropic import AnthropicWire
from AgentOperatingSystem.ml.wires.gemini import GeminiWire
from AgentOperatingSystem.ml.wires.ollama import OllamaWire
from AgentOperatingSystem.ml.wires.openai import Dialect, OpenAIWire

OPENAI = OpenAIWire("openai", "gpt-x", Dialect())
ANTHROPIC = AnthropicWire("claude-x")
GEMINI = GeminiWire("gemini-3-x")
TOOL = ToolSpec(name="look_up")
CALL = ToolCall("call_abc", "look_up", {"id": 7})
TURN = ModelRequest(messages=(user("?"), assistant("", CALL), tool_result(CALL, "found")), tools=(TOOL,))


def streamed(wire: Wire, *events: Any) -> tuple[str, ModelResponse]:
    """The text that was heard, and the whole."""
    reader = wire.reader()
    heard = "".join(delta.text for event in events for delta in reader.feed(event))
    return heard, reader.response()


def completion(finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": finish}]}


# --- OpenAI ---------------------------------------------------------------------------------------------------


def test_openai_refusals_are_told_apart_from_answers() -> None:
    whole = OPENAI.read(completion(content=None, refusal="I cannot help with that."))
    assert (whole.text, whole.finish_reason) == ("I cannot help with that.", "refusal")
    chunks = [{"choices": [{"delta": {"refusal": text}}]} for text in ("I ", "cannot.")]
    heard, response = streamed(OPENAI, *chunks, {"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert (heard, response.text, response.finish_reason) == ("I cannot.", "I cannot.", "refusal")


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("model_length", "length"), ("eos", "stop")])
def test_openai_finish_reasons(finish: str, reason: str) -> None:
    assert OPENAI.read(completion(finish, content="x")).finish_reason == reason


def test_openai_filters_and_failures_within_an_answer() -> None:
    with pytest.raises(ContentFiltered):
        OPENAI.read(completion("content_filter", content=""))
    with pytest.raises(ModelUnavailable):
        OPENAI.read(completion("error", content=""))
    with pytest.raises(MalformedAnswer, match="no choices"):
        OPENAI.read({"choices": []})


def test_openai_usage_that_was_not_said_is_unknown() -> None:
    assert OPENAI.read(completion(content="x")).usage == Usage()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", {}), (" ", {}), (None, {}), ("{}", {}), ({"a": 1}, {"a": 1}), ('{"a": 1}', {"a": 1})],
)
def test_openai_arguments_as_imitators_write_them(arguments: Any, expected: dict[str, Any]) -> None:
    said = completion("tool_calls", tool_calls=[{"function": {"name": "go", "arguments": arguments}}])
    assert OPENAI.read(said | {"id": "x"}).tool_calls == (ToolCall("x-0", "go", expected),)


@pytest.mark.parametrize(
    "call",
    [
        {"function": {"name": "go", "arguments": "[]"}},
        {"function": {"name": "go", "arguments": "7"}},
        {"function": {"arguments": "{}"}},
    ],
)
def test_openai_calls_that_are_none(call: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        OPENAI.read(completion("tool_calls", tool_calls=[call]))


def test_openai_parallel_calls_in_mixed_pieces() -> None:
    pieces = [(0, "a", "f", '{"x"'), (1, "b", "g", ""), (0, None, None, ": 1}"), (1, None, None, "{}")]
    chunks = [
        {"choices": [{"delta": {"tool_calls": [{"index": i, "id": d, "function": {"name": n, "arguments": a}}]}}]}
        for i, d, n, a in pieces
    ]
    _, response = streamed(OPENAI, *chunks, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    assert response.tool_calls == (ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {}))


def test_mistral_takes_ids_of_nine_letters_and_digits_only() -> None:
    mistral = OpenAIWire("mistral", "m", COMPATIBLE["mistral"].dialect)
    _, said, answered = mistral.body(TURN, streaming=False)["messages"]
    made = said["tool_calls"][0]["id"]
    assert made == answered["tool_call_id"]
    assert len(made) == 9
    assert made.isalnum()
    own = ToolCall("D681PevKs", "look_up", {})
    body = mistral.body(ModelRequest(messages=(assistant("", own), tool_result(own, "x"))), streaming=False)
    assert body["messages"][1]["tool_call_id"] == "D681PevKs"


# --- Anthropic ------------------------------------------------------------------------------------------------

THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQB"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"id": 7}}


def test_anthropic_thoughts_come_back_unchanged_and_in_their_place() -> None:
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "claude-x", "usage": {"input_tokens": 5}}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB"}},
        {"type": "content_block_start", "index": 1, "content_block": USE | {"input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"id": 7}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    heard, response = streamed(ANTHROPIC, *events)
    assert heard == response.text == "", "thoughts are not the answer"
    assert response.usage == Usage(input_tokens=5, output_tokens=9)
    (call,) = response.tool_calls
    turn = ModelRequest(messages=(user("?"), response.message, tool_result(call, "found")))
    assert ANTHROPIC.body(turn, streaming=False)["messages"][1] == {"role": "assistant", "content": [THOUGHT, USE]}
    assert ANTHROPIC.read({"content": [THOUGHT, USE], "stop_reason": "tool_use"}).carry == {"anthropic": [THOUGHT, USE]}


def test_anthropic_without_thoughts_carries_nothing() -> None:
    assert ANTHROPIC.read({"content": [USE], "stop_reason": "tool_use"}).carry == {}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", None),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (NamedTool("look_up"), {"type": "tool", "name": "look_up"}),
    ],
)
def test_anthropic_tool_choice(choice: Any, said: Any) -> None:
    request = ModelRequest(messages=(user("?"),), tools=(TOOL,), tool_choice=choice)
    assert ANTHROPIC.body(request, streaming=False).get("tool_choice") == said


def test_anthropic_limits() -> None:
    said = {"content": [{"type": "text", "text": "x"}]}
    assert ANTHROPIC.read(said | {"stop_reason": "max_tokens"}).finish_reason == "length"
    assert ANTHROPIC.read(said | {"stop_reason": "model_context_window_exceeded"}).finish_reason == "length"


# --- Gemini ---------------------------------------------------------------------------------------------------


def content(finish: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]}


def test_gemini_thoughts_are_not_the_answer() -> None:
    response = GEMINI.read(content("STOP", {"text": "Hm.", "thought": True}, {"text": "Yes."}))
    assert (response.text, response.carry) == ("Yes.", {})


def test_gemini_finish_reasons() -> None:
    assert GEMINI.read(content("MAX_TOKENS", {"text": "x"})).finish_reason == "length"
    for reason in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT"):
        with pytest.raises(ContentFiltered, match=reason):
            GEMINI.read(content(reason))
    with pytest.raises(MalformedAnswer, match="UNEXPECTED_TOOL_CALL"):
        GEMINI.read(content("UNEXPECTED_TOOL_CALL"))


def test_gemini_is_told_that_another_models_calls_are_not_signed() -> None:
    call = GEMINI.body(TURN, streaming=False)["contents"][1]["parts"][0]
    assert call["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in str(GeminiWire("gemini-2.5-flash").body(TURN, streaming=False))


def test_gemini_calls_of_one_answer_have_their_own_ids() -> None:
    calls = [{"functionCall": {"name": "look_up", "args": {"id": n}}} for n in (1, 2)]
    response = GEMINI.read(content("STOP", *calls) | {"responseId": "r"})
    first, second = response.tool_calls
    assert first.id != second.id
    turn = ModelRequest(messages=(response.message, tool_result(first, "x"), tool_result(second, "y", failed=True)))
    answers = GEMINI.body(turn, streaming=False)["contents"][1]["parts"]
    assert answers == [
        {"functionResponse": {"name": "look_up", "response": {"result": "x"}}},
        {"functionResponse": {"name": "look_up", "response": {"error": "y"}}},
    ], "ids that we made up are not sent"


# --- Ollama ---------------------------------------------------------------------------------------------------


def test_ollama_is_not_shown_tools_that_it_must_not_call() -> None:
    request = ModelRequest(messages=(user("?"),), tools=(TOOL,), tool_choice="none")
    assert "tools" not in OllamaWire("llama3.2").body(request, streaming=False)
    assert (
        OllamaWire("llama3.2").read({"message": {"content": "x"}, "done": True, "done_reason": "length"}).finish_reason
        == "length"
    )
