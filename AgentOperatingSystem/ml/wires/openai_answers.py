"""Chat completions as they are answered, whole or in chunks; `openai` asks for them.

Unknown fields are passed over, because every imitator adds some. Source:
https://platform.openai.com/docs/api-reference/chat/object and /chat-streaming.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ContentFiltered, MalformedAnswer, ModelUnavailable
from AgentOperatingSystem.ml.answers import tool_call
from AgentOperatingSystem.ml.faults import from_body
from AgentOperatingSystem.ml.records import FinishReason, ModelDelta, ModelResponse, ToolCallDelta, Usage

_FINISH: dict[str | None, FinishReason] = {"length": "length", "model_length": "length"}


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str | None = None
    index: int | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message = _Message()
    delta: _Message = _Message()
    finish_reason: str | None = None


class _Completion(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Whole(msgspec.Struct, frozen=True, kw_only=True):
    """What a completion says in the end, however it came."""

    said: _Completion
    finish: str | None
    text: str
    refusal: str
    calls: list[tuple[str, str, Any]]
    """Id, name and arguments."""


def whole(provider: str, model: str, answer: Any) -> ModelResponse:
    """Reads a completion that came in one piece."""
    completion = msgspec.convert(answer, _Completion)
    if completion.error:
        raise from_body(provider, completion.error)
    if not completion.choices:
        raise MalformedAnswer(f"{provider}/{model}: the answer has no choices")
    choice = completion.choices[0]
    calls = [
        (call.id or "", call.function.name or "", call.function.arguments) for call in choice.message.tool_calls or ()
    ]
    said = _Whole(
        said=completion,
        finish=choice.finish_reason,
        text=_text(choice.message.content),
        refusal=choice.message.refusal or "",
        calls=calls,
    )
    return _response(provider, model, said)


class StreamedCompletion:
    """Puts the chunks of one streamed completion together."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._said = _Completion()
        self._finish: str | None = None
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[int, list[str]] = {}

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        chunk = msgspec.convert(event, _Completion)
        if chunk.error:
            raise from_body(self._provider, chunk.error)
        said = self._said
        self._said = _Completion(chunk.id or said.id, chunk.model or said.model, usage=chunk.usage or said.usage)
        for choice in (chunk.choices or ())[:1]:
            self._finish = choice.finish_reason or self._finish
            yield from self._deltas(choice.delta)

    def response(self) -> ModelResponse:
        if self._finish is None:
            raise ModelUnavailable(f"{self._provider}/{self._model}: the stream was cut off")
        calls = [(call[0], call[1], "".join(call[2:])) for _, call in sorted(self._calls.items())]
        said = _Whole(
            said=self._said,
            finish=self._finish,
            text="".join(self._texts),
            refusal="".join(self._refusals),
            calls=[(call_id, name, arguments) for call_id, name, arguments in calls],
        )
        return _response(self._provider, self._model, said)

    def _deltas(self, delta: _Message) -> Iterable[ModelDelta]:
        for text, texts in ((_text(delta.content), self._texts), (delta.refusal or "", self._refusals)):
            if text:
                texts.append(text)
                yield ModelDelta(text=text)
        for place, piece in enumerate(delta.tool_calls or ()):
            yield self._called(place if piece.index is None else piece.index, piece)

    def _called(self, index: int, piece: _Call) -> ModelDelta:
        """The first piece of a call has its id and name; all have some of its arguments."""
        given = piece.function.arguments
        arguments = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
        call = self._calls.setdefault(index, ["", ""])
        call[0] = call[0] or piece.id or ""
        call[1] = call[1] or piece.function.name or ""
        call.append(arguments)
        return ModelDelta(
            tool_call=ToolCallDelta(index=index, id=piece.id or "", name=piece.function.name or "", arguments=arguments)
        )


def _response(provider: str, model: str, said: _Whole) -> ModelResponse:
    if said.finish == "content_filter":
        raise ContentFiltered(f"{provider}/{model}: the provider's filter withheld the answer")
    if said.finish == "error":
        raise ModelUnavailable(f"{provider}/{model}: the model failed while it answered")
    answer_id = said.said.id or ""
    calls = tuple(
        tool_call(call_id or f"{answer_id or 'call'}-{place}", name, arguments, provider)
        for place, (call_id, name, arguments) in enumerate(said.calls)
    )
    finish = _FINISH.get(said.finish, "stop")
    return ModelResponse(
        text=said.refusal or said.text,
        tool_calls=calls,
        finish_reason="refusal" if said.refusal else "tool_calls" if calls else finish,
        usage=_usage(said.said.usage),
        model=said.said.model or model,
        provider=provider,
        id=answer_id,
    )


def _usage(usage: _Usage | None) -> Usage:
    """OpenAI counts cached tokens among the prompt's, and hidden thoughts among the completion's."""
    if usage is None:
        return Usage()
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, cached_tokens=cached)


def _text(content: str | list[dict[str, Any]] | None) -> str:
    """Mistral's thinking models answer in parts, of which only the text is the answer."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return content or ""
