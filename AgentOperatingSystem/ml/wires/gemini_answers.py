"""Gemini's contents as they are answered, whole or in chunks of the same shape; `gemini` asks for them.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ContentFiltered, MalformedAnswer, ModelUnavailable
from AgentOperatingSystem.ml.answers import tool_call
from AgentOperatingSystem.ml.faults import from_body
from AgentOperatingSystem.ml.records import ModelDelta, ModelResponse, ToolCallDelta, Usage

CARRY = "gemini"
MADE_UP_ID = "gemini-call-"
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"})
_MALFORMED = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"})


class _FunctionCall(msgspec.Struct, frozen=True):
    name: str = ""
    args: dict[str, Any] | None = None
    id: str = ""


class _Content(msgspec.Struct, frozen=True):
    parts: list[dict[str, Any]] = []


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: _Content = _Content()
    finish_reason: str | None = None
    finish_message: str = ""


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str = ""


class _Usage(msgspec.Struct, frozen=True, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    """A GenerateContentResponse, or one chunk of it."""

    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback = _Feedback()
    usage_metadata: _Usage = _Usage()
    model_version: str = ""
    response_id: str = ""
    error: Any = None


def whole(model: str, answer: Any) -> ModelResponse:
    """Reads a content that came in one piece."""
    streamed = StreamedContent(model)
    for _ in streamed.feed(answer):
        pass
    return streamed.response()


class StreamedContent:
    """Puts the chunks of one content together; a whole one is a stream of one chunk."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._last = _Answer()
        self._finish: str | None = None
        self._why = ""
        self._parts: list[dict[str, Any]] = []
        self._calls = 0

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        chunk = msgspec.convert(event, _Answer)
        if chunk.error:
            raise from_body(CARRY, chunk.error)
        if chunk.prompt_feedback.block_reason:
            blocked = chunk.prompt_feedback.block_reason
            raise ContentFiltered(f"{CARRY}/{self._model}: the request was blocked: {blocked}")
        self._last = chunk
        for candidate in chunk.candidates[:1]:
            self._finish = candidate.finish_reason or self._finish
            self._why = candidate.finish_message or self._why
            self._parts += candidate.content.parts
            yield from self._deltas(candidate.content.parts)

    def response(self) -> ModelResponse:
        if self._finish is None:
            raise ModelUnavailable(f"{CARRY}/{self._model}: the answer was cut off")
        if self._finish in _FILTERED:
            raise ContentFiltered(f"{CARRY}/{self._model}: withheld: {self._finish} {self._why}".rstrip())
        if self._finish in _MALFORMED:
            raise MalformedAnswer(f"{CARRY}/{self._model}: {self._finish} {self._why}".rstrip())
        calls = tuple(
            tool_call(call.id or f"{MADE_UP_ID}{self._last.response_id}{place}", call.name, call.args or {}, CARRY)
            for place, call in enumerate(_calls(self._parts))
        )
        cut = self._finish == "MAX_TOKENS"
        signed = any("thoughtSignature" in part for part in self._parts)
        return ModelResponse(
            text="".join(_text(part) for part in self._parts),
            tool_calls=calls,
            finish_reason="tool_calls" if calls else "length" if cut else "stop",
            usage=_usage(self._last.usage_metadata),
            model=self._last.model_version or self._model,
            provider=CARRY,
            id=self._last.response_id,
            carry={CARRY: self._parts} if signed else {},
        )

    def _deltas(self, parts: list[dict[str, Any]]) -> Iterable[ModelDelta]:
        text = "".join(_text(part) for part in parts)
        if text:
            yield ModelDelta(text=text)
        for call in _calls(parts):
            arguments = msgspec.json.encode(call.args or {}).decode()
            yield ModelDelta(
                tool_call=ToolCallDelta(index=self._calls, id=call.id, name=call.name, arguments=arguments)
            )
            self._calls += 1


def _calls(parts: list[dict[str, Any]]) -> list[_FunctionCall]:
    return [msgspec.convert(part["functionCall"], _FunctionCall) for part in parts if "functionCall" in part]


def _text(part: dict[str, Any]) -> str:
    return "" if part.get("thought") else str(part.get("text", ""))


def _usage(usage: _Usage) -> Usage:
    """Gemini counts hidden thoughts beside the candidates, and cached tokens within the prompt; both are billed."""
    asked, answered = usage.prompt_token_count, usage.candidates_token_count
    thoughts = usage.thoughts_token_count
    return Usage(
        input_tokens=None if asked is None else asked + (usage.tool_use_prompt_token_count or 0),
        output_tokens=None if answered is None and thoughts is None else (answered or 0) + (thoughts or 0),
        cached_tokens=usage.cached_content_token_count,
    )
