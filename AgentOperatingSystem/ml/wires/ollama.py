"""Ollama's own chat API, asked and answered.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, "Generate a chat completion", and docs/api/errors.mdx.
"""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ModelUnavailable
from AgentOperatingSystem.ml.answers import tool_call
from AgentOperatingSystem.ml.faults import from_body
from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage
from AgentOperatingSystem.ml.records import FinishReason, ModelDelta, ModelRequest, ModelResponse, ToolCallDelta, Usage
from AgentOperatingSystem.ml.wires import Framing

_NAME = "ollama"
_FINISH: dict[str | None, FinishReason] = {"length": "length"}


class OllamaWire:
    """`/api/chat` for one model; its streams are lines of JSON."""

    framing: Framing = "lines"

    def __init__(self, model: str) -> None:
        self._model = model

    def path(self, streaming: bool) -> str:
        return "/api/chat"

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]:
        wanted = request.json_schema
        options = {
            "temperature": request.temperature,
            "num_predict": request.max_output_tokens,
            "stop": list(request.stop) or None,
            "seed": request.seed,
        }
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in request.tools
            if request.tool_choice != "none"
        ]
        fields: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(message) for message in request.messages],
            "tools": [{"type": "function", "function": tool} for tool in tools],
            "format": wanted.schema if wanted else None,
            "options": {name: value for name, value in options.items() if value is not None},
            "stream": streaming,
        }
        return {name: value for name, value in fields.items() if value not in (None, [], {})} | request.options

    def read(self, answer: Any) -> ModelResponse:
        reader = self.reader()
        for _ in reader.feed(answer):
            pass
        return reader.response()

    def reader(self) -> "StreamedChat":
        return StreamedChat(self._model)


def _message(message: ModelMessage) -> dict[str, Any]:
    images = [b64encode(part.data).decode() for part in message.parts if isinstance(part, ImagePart)]
    calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls]
    fields: dict[str, Any] = {"images": images, "tool_calls": calls, "tool_name": message.tool_name}
    return {"role": message.role, "content": message.text} | {name: value for name, value in fields.items() if value}


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: dict[str, Any] | str = {}


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, frozen=True):
    content: str = ""
    tool_calls: list[_Call] | None = None


class _Chat(msgspec.Struct, frozen=True):
    model: str = ""
    message: _Message = _Message()
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


class StreamedChat:
    """Puts the lines of one chat together; a whole answer is a stream of one line."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._last = _Chat()
        self._texts: list[str] = []
        self._calls: list[_Call] = []

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        line = msgspec.convert(event, _Chat)
        if line.error:
            raise from_body(_NAME, line.error)
        self._last = line
        if line.message.content:
            self._texts.append(line.message.content)
            yield ModelDelta(text=line.message.content)
        for call in line.message.tool_calls or ():
            given = call.function.arguments
            arguments = given if isinstance(given, str) else msgspec.json.encode(given).decode()
            yield ModelDelta(
                tool_call=ToolCallDelta(
                    index=len(self._calls), id=call.id, name=call.function.name, arguments=arguments
                )
            )
            self._calls.append(call)

    def response(self) -> ModelResponse:
        last = self._last
        if not last.done:
            raise ModelUnavailable(f"{_NAME}/{self._model}: the answer was cut off")
        calls = tuple(
            tool_call(call.id or f"ollama-call-{place}", call.function.name, call.function.arguments, _NAME)
            for place, call in enumerate(self._calls)
        )
        return ModelResponse(
            text="".join(self._texts),
            tool_calls=calls,
            finish_reason="tool_calls" if calls else _FINISH.get(last.done_reason, "stop"),
            usage=Usage(input_tokens=last.prompt_eval_count, output_tokens=last.eval_count),
            model=last.model or self._model,
            provider=_NAME,
        )
