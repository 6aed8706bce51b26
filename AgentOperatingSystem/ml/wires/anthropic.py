"""Anthropic's Messages API as it is asked; `anthropic_answers` reads what comes back.

Source: https://platform.claude.com/docs/en/api/messages, version 2023-06-01.
"""

from base64 import b64encode
from itertools import groupby
from typing import Any

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, Part
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, NamedTool
from AgentOperatingSystem.ml.schemas import closed
from AgentOperatingSystem.ml.wires import Framing
from AgentOperatingSystem.ml.wires.anthropic_answers import CARRY, StreamedMessage, whole

VERSION = "2023-06-01"
MAX_TOKENS = 8192
"""The Messages API wants a limit for every answer; this one is sent where the request names none."""
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


class AnthropicWire:
    """Messages for one model."""

    framing: Framing = "events"

    def __init__(self, model: str) -> None:
        self._model = model

    def path(self, streaming: bool) -> str:
        return "/v1/messages"

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_output_tokens or MAX_TOKENS,
            "system": "\n\n".join(message.text for message in request.messages if message.role == "system"),
            "messages": _turns(request.messages),
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in request.tools
            ],
            "tool_choice": _choice(request),
            "output_config": _format(request),
            "temperature": request.temperature,
            "stop_sequences": list(request.stop),
            "stream": streaming or None,
        }
        return {name: value for name, value in fields.items() if value not in (None, [], "")} | request.options

    def read(self, answer: Any) -> ModelResponse:
        return whole(self._model, answer)

    def reader(self) -> StreamedMessage:
        return StreamedMessage(self._model)


def _turns(messages: tuple[ModelMessage, ...]) -> list[dict[str, Any]]:
    """User and assistant by turns: the results of parallel calls belong into one message."""
    said = [message for message in messages if message.role != "system"]
    turns = groupby(said, key=lambda message: "assistant" if message.role == "assistant" else "user")
    return [{"role": role, "content": [block for each in turn for block in _blocks(each)]} for role, turn in turns]


def _blocks(message: ModelMessage) -> list[dict[str, Any]]:
    if CARRY in message.carry:  # its own words, thoughts and signatures included
        return list(message.carry[CARRY])
    if message.role == "tool":
        failed = {"is_error": True} if message.failed else {}
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text, **failed}]
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in message.tool_calls
    ]
    return [_part(part) for part in message.parts if isinstance(part, ImagePart) or part.text] + calls


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"type": "text", "text": part.text}
    if part.url:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    data = b64encode(part.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": data}}


def _choice(request: ModelRequest) -> dict[str, Any] | None:
    if not request.tools or request.tool_choice == "auto":
        return None
    if isinstance(request.tool_choice, NamedTool):
        return {"type": "tool", "name": request.tool_choice.name}
    return {"type": _CHOICES[request.tool_choice]}


def _format(request: ModelRequest) -> dict[str, Any] | None:
    if request.json_schema is None:
        return None
    return {"format": {"type": "json_schema", "schema": closed(request.json_schema.schema)}}
