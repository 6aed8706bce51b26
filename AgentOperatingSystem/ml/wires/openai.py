"""OpenAI's chat completions as they are asked, and what its many imitators want otherwise (`Dialect`).

`provider.HttpProvider` speaks it for openai, azure, groq, perplexity, mistral, openrouter, huggingface, vllm and any
other compatible server; `openai_answers` reads what comes back. Source:
https://platform.openai.com/docs/api-reference/chat (github.com/openai/openai-openapi, `createChatCompletion`).
"""

from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, Part, ToolCall
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, NamedTool, ToolSpec
from AgentOperatingSystem.ml.schemas import is_strict
from AgentOperatingSystem.ml.wires import Framing
from AgentOperatingSystem.ml.wires.openai_answers import StreamedCompletion, whole

_encode = msgspec.json.Encoder(order="deterministic").encode


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Where a compatible server differs from what most of them do."""

    path: str = "/chat/completions"
    model_in_body: bool = True
    """False where the path names the model (Azure's deployments), or the server knows but one."""
    max_tokens: str = "max_tokens"
    """OpenAI itself took `max_tokens` out of service with its reasoning models."""
    seed: str = "seed"
    required: str = "required"
    """How a tool is demanded."""
    short_ids: bool = False
    """Whether ids of tool calls have nine letters and digits, also those that another model made up."""
    stream_usage: bool = True
    """Whether usage has to be asked for in a stream; a server that always sends it may refuse the question."""


class OpenAIWire:
    """Chat completions for one model, as `provider` speaks them."""

    framing: Framing = "events"

    def __init__(self, provider: str, model: str, dialect: Dialect) -> None:
        self._provider = provider
        self._model = model
        self._dialect = dialect

    def path(self, streaming: bool) -> str:
        return self._dialect.path

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]:
        dialect = self._dialect
        fields: dict[str, Any] = {
            "model": request.adapter or (self._model if dialect.model_in_body else None),
            "messages": [_message(message, dialect) for message in request.messages],
            "tools": [_tool(tool) for tool in request.tools],
            "tool_choice": self._choice(request),
            "response_format": _format(request),
            "temperature": request.temperature,
            dialect.max_tokens: request.max_output_tokens,
            "stop": list(request.stop),
            dialect.seed: request.seed,
            "stream": streaming or None,
            "stream_options": {"include_usage": True} if streaming and dialect.stream_usage else None,
        }
        return {name: value for name, value in fields.items() if value not in (None, [])} | request.options

    def read(self, answer: Any) -> ModelResponse:
        return whole(self._provider, self._model, answer)

    def reader(self) -> StreamedCompletion:
        return StreamedCompletion(self._provider, self._model)

    def _choice(self, request: ModelRequest) -> Any:
        if not request.tools or request.tool_choice == "auto":
            return None
        if isinstance(request.tool_choice, NamedTool):
            return {"type": "function", "function": {"name": request.tool_choice.name}}
        return self._dialect.required if request.tool_choice == "required" else "none"


def _message(message: ModelMessage, dialect: Dialect) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": _id(message.tool_call_id, dialect), "content": message.text}
    if message.role == "assistant" and message.tool_calls:
        calls = [_call(call, dialect) for call in message.tool_calls]
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    pictured = any(isinstance(part, ImagePart) for part in message.parts)
    return {"role": message.role, "content": [_part(part) for part in message.parts] if pictured else message.text}


def _call(call: ToolCall, dialect: Dialect) -> dict[str, Any]:
    arguments = _encode(call.arguments).decode()
    return {"id": _id(call.id, dialect), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _id(call_id: str, dialect: Dialect) -> str:
    if not dialect.short_ids or (len(call_id) == 9 and call_id.isalnum()):
        return call_id
    return sha256(call_id.encode()).hexdigest()[:9]


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"type": "text", "text": part.text}
    url = part.url or f"data:{part.media_type};base64,{b64encode(part.data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "function": {"name": tool.name, **described, "parameters": tool.parameters}}


def _format(request: ModelRequest) -> dict[str, Any] | None:
    if request.json_schema is None:
        return None
    wanted = request.json_schema
    described = {"name": wanted.name, "schema": wanted.schema, "strict": is_strict(wanted.schema)}
    return {"type": "json_schema", "json_schema": described}
