"""Requests that the suite asks every provider, and how each family of providers wants to hear them.

Sources of the bodies: the pages that model_answers/*.json name.
"""

from base64 import b64encode
from typing import Any

import msgspec

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, ToolCall, assistant, tool_result, user
from AgentOperatingSystem.ml.records import ModelRequest, NamedTool, OutputSchema, ToolSpec
from tests.contract.model_cases import Case

QUESTION = ModelRequest.ask("Hello!", instructions="You are a helpful assistant.")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = ToolSpec(name="get_weather", description="Get the weather in a given city", parameters=PARAMETERS)
WITH_TOOL = ModelRequest(messages=(user("What is the weather in Tokyo?"),), tools=(TOOL,))
CALL = ToolCall("callnr001", "get_weather", {"city": "Tokyo"})
OTHER_CALL = ToolCall("callnr002", "get_weather", {"city": "Oslo"})
AFTER_TOOLS = ModelRequest(
    messages=(
        user("And there?"),
        assistant("I will look.", CALL, OTHER_CALL),
        tool_result(CALL, "11 degrees"),
        tool_result(OTHER_CALL, "no such city", failed=True),
    ),
    tools=(TOOL,),
)
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "available": {"type": "boolean"}},
    "required": ["age", "available"],
    "additionalProperties": False,
}
VERDICT = ModelRequest(messages=(user("How old is Ollama?"),), json_schema=OutputSchema(schema=SCHEMA, name="person"))
PIXEL = b"\x89PNG\r\n\x1a\n"
PICTURE = ModelRequest(messages=(user("What is in this image?", ImagePart(data=PIXEL)),))
TUNED = ModelRequest(messages=(user("Hello!"),), temperature=0.5, max_output_tokens=99, stop=("END",), seed=7)
DEMANDED = NamedTool("get_weather")


def tuned_for(case: Case) -> ModelRequest:
    """As much of `TUNED` as the provider can be tuned by."""
    return msgspec.structs.replace(TUNED, stop=TUNED.stop if case.stop else (), seed=TUNED.seed if case.seed else None)


def expected_body(case: Case, what: str) -> dict[str, Any]:
    """The body in which this provider hears the question, the parameters, the schema, the image or the tool results."""
    written = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini, "ollama": _ollama}[case.family](what)
    if case.family != "gemini" and case.names_model:
        written["model"] = case.own_model
    if what == "tuned" and case.family == "openai":
        limits = {case.max_tokens: 99, "temperature": 0.5}
        written |= limits | ({"stop": ["END"]} if case.stop else {}) | ({case.seed: 7} if case.seed else {})
    return written


def _openai(what: str) -> dict[str, Any]:
    function = {"name": TOOL.name, "description": TOOL.description, "parameters": PARAMETERS}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": f'{{"city":"{city}"}}'}}
        for call, city in ((CALL, "Tokyo"), (OTHER_CALL, "Oslo"))
    ]
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(PIXEL).decode()}"}}
    said: dict[str, list[dict[str, Any]]] = {
        "question": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Hello!"},
        ],
        "tools": [{"role": "user", "content": "What is the weather in Tokyo?"}],
        "results": [
            {"role": "user", "content": "And there?"},
            {"role": "assistant", "content": "I will look.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "callnr001", "content": "11 degrees"},
            {"role": "tool", "tool_call_id": "callnr002", "content": "no such city"},
        ],
        "schema": [{"role": "user", "content": "How old is Ollama?"}],
        "image": [{"role": "user", "content": [{"type": "text", "text": "What is in this image?"}, image]}],
        "tuned": [{"role": "user", "content": "Hello!"}],
    }
    schema = {"name": "person", "schema": SCHEMA, "strict": True}
    more: dict[str, dict[str, Any]] = {
        "tools": {"tools": [{"type": "function", "function": function}]},
        "results": {"tools": [{"type": "function", "function": function}]},
        "schema": {"response_format": {"type": "json_schema", "json_schema": schema}},
    }
    return {"messages": said[what]} | more.get(what, {})


def _anthropic(what: str) -> dict[str, Any]:
    def text(content: str) -> list[dict[str, Any]]:
        return [{"type": "text", "text": content}]

    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in (CALL, OTHER_CALL)
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "callnr001", "content": "11 degrees"},
        {"type": "tool_result", "tool_use_id": "callnr002", "content": "no such city", "is_error": True},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": b64encode(PIXEL).decode()}
    said: dict[str, list[dict[str, Any]]] = {
        "question": [{"role": "user", "content": text("Hello!")}],
        "tools": [{"role": "user", "content": text("What is the weather in Tokyo?")}],
        "results": [
            {"role": "user", "content": text("And there?")},
            {"role": "assistant", "content": [*text("I will look."), *calls]},
            {"role": "user", "content": results},
        ],
        "schema": [{"role": "user", "content": text("How old is Ollama?")}],
        "image": [{"role": "user", "content": [*text("What is in this image?"), {"type": "image", "source": source}]}],
        "tuned": [{"role": "user", "content": text("Hello!")}],
    }
    tool = {"name": TOOL.name, "description": TOOL.description, "input_schema": PARAMETERS}
    # "minimum" is a constraint that structured outputs do not take.
    schema = SCHEMA | {"properties": {"age": {"type": "integer"}, "available": {"type": "boolean"}}}
    more: dict[str, dict[str, Any]] = {
        "question": {"system": "You are a helpful assistant."},
        "tools": {"tools": [tool]},
        "results": {"tools": [tool]},
        "schema": {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        "tuned": {"temperature": 0.5, "max_tokens": 99, "stop_sequences": ["END"]},
    }
    return {"max_tokens": 8192, "messages": said[what]} | more.get(what, {})


def _gemini(what: str) -> dict[str, Any]:
    calls = [
        {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}} for call in (CALL, OTHER_CALL)
    ]
    results = [
        {"functionResponse": {"id": "callnr001", "name": "get_weather", "response": {"result": "11 degrees"}}},
        {"functionResponse": {"id": "callnr002", "name": "get_weather", "response": {"error": "no such city"}}},
    ]
    image = {"inlineData": {"mimeType": "image/png", "data": b64encode(PIXEL).decode()}}
    said: dict[str, list[dict[str, Any]]] = {
        "question": [{"role": "user", "parts": [{"text": "Hello!"}]}],
        "tools": [{"role": "user", "parts": [{"text": "What is the weather in Tokyo?"}]}],
        "results": [
            {"role": "user", "parts": [{"text": "And there?"}]},
            {"role": "model", "parts": [{"text": "I will look."}, *calls]},
            {"role": "user", "parts": results},
        ],
        "schema": [{"role": "user", "parts": [{"text": "How old is Ollama?"}]}],
        "image": [{"role": "user", "parts": [{"text": "What is in this image?"}, image]}],
        "tuned": [{"role": "user", "parts": [{"text": "Hello!"}]}],
    }
    declared = {"name": TOOL.name, "description": TOOL.description, "parametersJsonSchema": PARAMETERS}
    tuned = {"temperature": 0.5, "maxOutputTokens": 99, "stopSequences": ["END"], "seed": 7}
    more: dict[str, dict[str, Any]] = {
        "question": {"systemInstruction": {"parts": [{"text": "You are a helpful assistant."}]}},
        "tools": {"tools": [{"functionDeclarations": [declared]}]},
        "results": {"tools": [{"functionDeclarations": [declared]}]},
        "schema": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
        "tuned": {"generationConfig": tuned},
    }
    return {"contents": said[what]} | more.get(what, {})


def _ollama(what: str) -> dict[str, Any]:
    calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in (CALL, OTHER_CALL)]
    said: dict[str, list[dict[str, Any]]] = {
        "question": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Hello!"},
        ],
        "tools": [{"role": "user", "content": "What is the weather in Tokyo?"}],
        "results": [
            {"role": "user", "content": "And there?"},
            {"role": "assistant", "content": "I will look.", "tool_calls": calls},
            {"role": "tool", "content": "11 degrees", "tool_name": "get_weather"},
            {"role": "tool", "content": "no such city", "tool_name": "get_weather"},
        ],
        "schema": [{"role": "user", "content": "How old is Ollama?"}],
        "image": [{"role": "user", "content": "What is in this image?", "images": [b64encode(PIXEL).decode()]}],
        "tuned": [{"role": "user", "content": "Hello!"}],
    }
    tool = {"name": TOOL.name, "description": TOOL.description, "parameters": PARAMETERS}
    more: dict[str, dict[str, Any]] = {
        "tools": {"tools": [{"type": "function", "function": tool}]},
        "results": {"tools": [{"type": "function", "function": tool}]},
        "schema": {"format": SCHEMA},
        "tuned": {"options": {"temperature": 0.5, "num_predict": 99, "stop": ["END"], "seed": 7}},
    }
    return {"messages": said[what], "stream": False} | more.get(what, {})


def after(message: ModelMessage, call: ToolCall) -> ModelRequest:
    """The turn after the model asked for a tool."""
    return ModelRequest(messages=(user("Go on."), message, tool_result(call, "done")), tools=(TOOL,))
