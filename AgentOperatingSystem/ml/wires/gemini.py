"""Google's Gemini API as it is asked; `gemini_answers` reads what comes back.

Sources: https://ai.google.dev/api/generate-content, and …/gemini-api/docs/thought-signatures for what has to be handed
back unchanged.
"""

from base64 import b64encode
from itertools import groupby
from typing import Any

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, Part, ToolCall
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, NamedTool
from AgentOperatingSystem.ml.wires import Framing
from AgentOperatingSystem.ml.wires.gemini_answers import CARRY, MADE_UP_ID, StreamedContent, whole

# What Gemini 3 takes instead of a signature for a call that another model made (…/docs/thought-signatures, FAQ).
_UNSIGNED = {"thoughtSignature": "skip_thought_signature_validator"}
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


class GeminiWire:
    """`generateContent` for one model."""

    framing: Framing = "events"

    def __init__(self, model: str) -> None:
        self._model = model

    def path(self, streaming: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if streaming else "generateContent"
        return f"/v1beta/models/{self._model}:{verb}"

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]:
        instructions = [{"text": message.text} for message in request.messages if message.role == "system"]
        declared = [
            {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
            for tool in request.tools
        ]
        fields: dict[str, Any] = {
            "contents": _turns(request.messages, _UNSIGNED if self._model.startswith("gemini-3") else {}),
            "systemInstruction": {"parts": instructions} if instructions else None,
            "tools": [{"functionDeclarations": declared}] if declared else None,
            "toolConfig": _choice(request),
            "generationConfig": _generation(request) or None,
        }
        return {name: value for name, value in fields.items() if value is not None} | request.options

    def read(self, answer: Any) -> ModelResponse:
        return whole(self._model, answer)

    def reader(self) -> StreamedContent:
        return StreamedContent(self._model)


def _turns(messages: tuple[ModelMessage, ...], unsigned: dict[str, str]) -> list[dict[str, Any]]:
    """User and model by turns: the answers to parallel calls belong into one content."""
    said = [message for message in messages if message.role != "system"]
    turns = groupby(said, key=lambda message: "model" if message.role == "assistant" else "user")
    return [{"role": role, "parts": [part for each in turn for part in _parts(each, unsigned)]} for role, turn in turns]


def _parts(message: ModelMessage, unsigned: dict[str, str]) -> list[dict[str, Any]]:
    if CARRY in message.carry:  # its own words, signatures included
        return list(message.carry[CARRY])
    if message.role == "tool":
        answered = {"error" if message.failed else "result": message.text}
        named = _named(message.tool_call_id) | {"name": message.tool_name}
        return [{"functionResponse": named | {"response": answered}}]
    return [_part(part) for part in message.parts] + [_call(call) | unsigned for call in message.tool_calls]


def _call(call: ToolCall) -> dict[str, Any]:
    return {"functionCall": _named(call.id) | {"name": call.name, "args": call.arguments}}


def _named(call_id: str) -> dict[str, str]:
    """Gemini does not know the ids that we made up where it gave none."""
    return {} if call_id.startswith(MADE_UP_ID) else {"id": call_id}


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"text": part.text}
    return {"inlineData": {"mimeType": part.media_type, "data": b64encode(part.data).decode()}}


def _choice(request: ModelRequest) -> dict[str, Any] | None:
    if not request.tools or request.tool_choice == "auto":
        return None
    if isinstance(request.tool_choice, NamedTool):
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [request.tool_choice.name]}}
    return {"functionCallingConfig": {"mode": _MODES[request.tool_choice]}}


def _generation(request: ModelRequest) -> dict[str, Any]:
    wanted = request.json_schema
    fields = {
        "temperature": request.temperature,
        "maxOutputTokens": request.max_output_tokens,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
        "responseMimeType": "application/json" if wanted else None,
        "responseJsonSchema": wanted.schema if wanted else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
