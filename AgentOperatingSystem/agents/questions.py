"""What AutoGen's agents ask a model, in the port's words.

`autogen.py` hands AutoGen's messages and tools over; they are read by their shape, so nothing of AutoGen is imported.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, Part, ToolCall, system, tool_result, user
from AgentOperatingSystem.ml.messages import assistant as assistant_message
from AgentOperatingSystem.ml.records import ModelRequest, NamedTool, OutputSchema, ToolSpec


def request_of(
    messages: Sequence[Any], tools: Sequence[Any], tool_choice: Any, json_output: Any, options: Mapping[str, Any]
) -> ModelRequest:
    """AutoGen's question; `json_output` is a pydantic model, or whether any JSON object is asked for."""
    schema: OutputSchema | None = None
    chosen: Any = tool_choice if isinstance(tool_choice, str) else NamedTool(tool_choice.name)
    if isinstance(json_output, type):
        schema = OutputSchema(schema=json_output.model_json_schema(), name=json_output.__name__)  # type: ignore[attr-defined]  # a model
    elif json_output:
        schema = OutputSchema(schema={"type": "object"})
    return ModelRequest(
        messages=heard_of(messages),
        tools=tuple(spec_of(tool) for tool in tools),
        tool_choice=chosen,
        json_schema=schema,
        options=dict(options),
    )


def spec_of(tool: Any) -> ToolSpec:
    """A tool, or a tool's schema, as the port describes it."""
    schema = tool if isinstance(tool, Mapping) else tool.schema
    parameters = schema.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(name=schema["name"], description=schema.get("description", ""), parameters=dict(parameters))


def messages_of(message: Any) -> list[ModelMessage]:
    """One of AutoGen's messages: a message of ours, or one for each tool's result."""
    if message.type == "SystemMessage":
        return [system(message.content)]
    if message.type == "UserMessage":
        return [user(*_parts(message))]
    if message.type == "FunctionExecutionResultMessage":
        return [
            tool_result(ToolCall(each.call_id, each.name), each.content, failed=bool(each.is_error))
            for each in message.content
        ]
    if isinstance(message.content, str):
        return [assistant_message(message.content)]
    calls = [ToolCall(call.id, call.name, msgspec.json.decode(call.arguments)) for call in message.content]
    return [assistant_message(message.thought or "", *calls)]


def heard_of(messages: Iterable[Any]) -> tuple[ModelMessage, ...]:
    """AutoGen's messages as ours."""
    return tuple(said for message in messages for said in messages_of(message))


def state_of(messages: Iterable[ModelMessage], name: str) -> dict[str, Any]:
    """A conversation as the state of AutoGen's assistant of this name: what `heard_of` gave, turned back."""
    told: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            if not told or told[-1]["type"] != "FunctionExecutionResultMessage":
                told.append({"type": "FunctionExecutionResultMessage", "content": []})
            told[-1]["content"].append(_result(message))
        else:
            told.append(_said(message, name))
    return {"type": "AssistantAgentState", "version": "1.0.0", "llm_context": {"messages": told}}


def _result(message: ModelMessage) -> dict[str, Any]:
    return {
        "call_id": message.tool_call_id,
        "name": message.tool_name,
        "content": message.text,
        "is_error": message.failed,
    }


def _said(message: ModelMessage, name: str) -> dict[str, Any]:
    if message.role == "system":
        return {"type": "SystemMessage", "content": message.text}
    if message.role == "user":
        return {"type": "UserMessage", "content": _content(message), "source": "user"}
    if not message.tool_calls:
        return {"type": "AssistantMessage", "content": message.text, "source": name}
    calls = [
        {"id": call.id, "name": call.name, "arguments": msgspec.json.encode(call.arguments).decode()}
        for call in message.tool_calls
    ]
    return {"type": "AssistantMessage", "content": calls, "source": name, "thought": message.text or None}


def _content(message: ModelMessage) -> str | list[Any]:
    """A text, or texts and images; an image that lies elsewhere is told as its address."""
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return message.text
    return [_shown(part) for part in message.parts]


def _shown(part: Part) -> Any:
    if not isinstance(part, ImagePart):
        return part.text
    return {"data": b64encode(part.data).decode()} if part.data else part.url


def _parts(message: Any) -> list[str | Part]:
    """Who speaks stands before the text, unless it is the user: the port's messages carry no names."""
    content = [message.content] if isinstance(message.content, str) else message.content
    parts: list[str | Part] = [part if isinstance(part, str) else _image(part) for part in content]
    return parts if message.source == "user" else [f"{message.source}: ", *parts]


def _image(image: Any) -> ImagePart:
    described, _, encoded = image.data_uri.partition(",")
    media_type = described.removeprefix("data:").partition(";")[0]
    return ImagePart(data=b64decode(encoded), media_type=media_type)
