"""Scoring scripts of Azure Machine Learning as they are asked and as they answer: whatever JSON they were written for.

`provider.HttpProvider` speaks it for endpoints of the shape `score`. The request is a template, the answer is found by
JSON Pointers. The defaults are those of chat models from Azure's catalogue, deployed without OpenAI's API. Source:
https://learn.microsoft.com/azure/machine-learning/how-to-authenticate-online-endpoint (scoring) and the catalogue's
sample inputs.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.errors import MalformedAnswer
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.templates import at, filled
from AgentOperatingSystem.ml.wires import Framing, Reader

CHAT_INPUT = {
    "input_data": {
        "input_string": "{messages}",
        "parameters": {
            "max_new_tokens": "{max_output_tokens}",
            "temperature": "{temperature}",
            "adapter": "{adapter}",
        },
    }
}
PLACEHOLDERS = (
    "messages",
    "prompt",
    "question",
    "instructions",
    "model",
    "adapter",
    "max_output_tokens",
    "temperature",
    "stop",
    "seed",
)
_SCHEMA = "Answer with nothing but JSON that fits this JSON schema: "


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scoring script wants and gives."""

    input: Any = msgspec.field(default_factory=lambda: CHAT_INPUT)
    """The request's JSON with placeholders (`PLACEHOLDERS`)."""
    output: str = "/output"
    """Where the answer's text is: a JSON Pointer; '' is all of it."""
    input_tokens: str | None = None
    """Where the number of the request's tokens is; None where it is not told."""
    output_tokens: str | None = None


class ScoreWire:
    """A scoring script for one model. It answers in one piece, and knows no tools."""

    framing: Framing = "events"

    def __init__(self, provider: str, model: str, shape: Shape) -> None:
        self._provider = provider
        self._model = model
        self._shape = shape

    def path(self, streaming: bool) -> str:
        return ""

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]:
        made = filled(self._shape.input, values_of(request, self._model))
        return made | request.options if isinstance(made, dict) else made

    def read(self, answer: Any) -> ModelResponse:
        """A script that returns JSON as text is read as if it had returned JSON."""
        document = _unwrapped(answer) if self._shape.output else answer
        try:
            text = at(self._shape.output, document)
        except LookupError:
            shown = msgspec.json.encode(answer)[:200].decode("utf-8", "ignore")
            raise MalformedAnswer(
                f"{self._provider}/{self._model}: nothing at {self._shape.output!r} of the answer {shown}"
            ) from None
        return ModelResponse(
            text=text if isinstance(text, str) else msgspec.json.encode(text).decode(),
            usage=Usage(
                input_tokens=_count(self._shape.input_tokens, document),
                output_tokens=_count(self._shape.output_tokens, document),
            ),
            model=self._model,
            provider=self._provider,
        )

    def reader(self) -> Reader:
        return _Whole(self)


class _Whole:
    """An answer that came in one piece where a stream was asked for."""

    def __init__(self, wire: ScoreWire) -> None:
        self._wire = wire
        self._response: ModelResponse | None = None

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        self._response = self._wire.read(event)
        return (ModelDelta(text=self._response.text),)

    def response(self) -> ModelResponse:
        if self._response is None:
            raise MalformedAnswer("the endpoint answered nothing")
        return self._response


def values_of(request: ModelRequest, model: str) -> dict[str, Any]:
    """What the placeholders stand for."""
    said = [{"role": message.role, "content": message.text} for message in request.messages]
    if request.json_schema is not None:
        wanted = _SCHEMA + msgspec.json.encode(request.json_schema.schema).decode()
        said.insert(sum(each["role"] == "system" for each in said), {"role": "system", "content": wanted})
    asked = [each["content"] for each in said if each["role"] == "user"]
    return {
        "messages": said,
        "prompt": "\n\n".join(each["content"] for each in said),
        "question": asked[-1] if asked else "",
        "instructions": "\n\n".join(each["content"] for each in said if each["role"] == "system") or None,
        "model": model,
        "adapter": request.adapter or None,
        "max_output_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "stop": list(request.stop) or None,
        "seed": request.seed,
    }


def _unwrapped(answer: Any) -> Any:
    try:
        return msgspec.json.decode(answer) if isinstance(answer, str) else answer
    except msgspec.DecodeError:
        return answer


def _count(pointer: str | None, document: Any) -> int | None:
    if pointer is None:
        return None
    try:
        found = at(pointer, document)
    except LookupError:
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
