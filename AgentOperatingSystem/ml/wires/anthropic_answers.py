"""Anthropic's messages as they are answered, whole or as events; `anthropic` asks for them.

Sources: https://platform.claude.com/docs/en/api/messages and …/build-with-claude/streaming.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ContentFiltered, ModelUnavailable
from AgentOperatingSystem.ml.answers import tool_call
from AgentOperatingSystem.ml.faults import from_body
from AgentOperatingSystem.ml.records import FinishReason, ModelDelta, ModelResponse, ToolCallDelta, Usage

CARRY = "anthropic"
_FINISH: dict[str | None, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}
_CARRIED = ("thinking", "redacted_thinking")


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(msgspec.Struct, frozen=True):
    content: list[dict[str, Any]] = []
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: _Usage = _Usage()
    error: Any = None


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    index: int = 0
    message: _Message = _Message()
    content_block: dict[str, Any] = {}
    delta: dict[str, Any] = {}
    usage: _Usage = _Usage()
    error: Any = None


def whole(model: str, answer: Any) -> ModelResponse:
    """Reads a message that came in one piece."""
    message = msgspec.convert(answer, _Message)
    if message.error:
        raise from_body(CARRY, message.error)
    return _response(model, message)


class StreamedMessage:
    """Puts the events of one streamed message together."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._message = _Message()
        self._blocks: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, list[str]] = {}
        self._ended = False

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        said = msgspec.convert(event, _Event)
        if said.error:
            raise from_body(CARRY, said.error)
        if said.type == "message_start":
            self._message = said.message
        elif said.type == "content_block_start":
            yield from self._begin(said.index, said.content_block)
        elif said.type == "content_block_delta":
            yield from self._go_on(said.index, said.delta)
        elif said.type == "message_delta":
            self._message = _after(self._message, said)
        self._ended = self._ended or said.type == "message_stop"

    def response(self) -> ModelResponse:
        if not self._ended:
            raise ModelUnavailable(f"{CARRY}/{self._model}: the stream was cut off")
        blocks = [self._whole_block(index) for index in sorted(self._blocks)]
        return _response(self._model, msgspec.structs.replace(self._message, content=blocks))

    def _begin(self, index: int, block: dict[str, Any]) -> Iterable[ModelDelta]:
        self._blocks[index] = dict(block)
        if block.get("type") == "tool_use":
            call = ToolCallDelta(index=index, id=str(block.get("id", "")), name=str(block.get("name", "")))
            yield ModelDelta(tool_call=call)

    def _go_on(self, index: int, delta: dict[str, Any]) -> Iterable[ModelDelta]:
        block = self._blocks.setdefault(index, {"type": "text"})
        if delta.get("type") == "input_json_delta":
            piece = str(delta.get("partial_json", ""))
            self._arguments.setdefault(index, []).append(piece)
            yield ModelDelta(tool_call=ToolCallDelta(index=index, arguments=piece))
            return
        for field in ("text", "thinking", "signature"):
            if field in delta:
                block[field] = block.get(field, "") + str(delta[field])
        if delta.get("text"):
            yield ModelDelta(text=str(delta["text"]))

    def _whole_block(self, index: int) -> dict[str, Any]:
        block = self._blocks[index]
        return block | {"input": "".join(self._arguments[index])} if index in self._arguments else block


def _after(message: _Message, event: _Event) -> _Message:
    """The message after a `message_delta`, whose usage is cumulative and names only what it knows."""
    counts = msgspec.structs.asdict(message.usage)
    counts |= {name: count for name, count in msgspec.structs.asdict(event.usage).items() if count is not None}
    return msgspec.structs.replace(
        message,
        stop_reason=event.delta.get("stop_reason") or message.stop_reason,
        stop_details=event.delta.get("stop_details") or message.stop_details,
        usage=_Usage(**counts),
    )


def _response(model: str, message: _Message) -> ModelResponse:
    if message.stop_reason == "refusal":
        why = (message.stop_details or {}).get("explanation") or "no reason given"
        raise ContentFiltered(f"{CARRY}/{model}: refused: {why}")
    uses = [block for block in message.content if block.get("type") == "tool_use"]
    calls = tuple(
        tool_call(str(use.get("id", "")), str(use.get("name", "")), use.get("input", {}), CARRY) for use in uses
    )
    return ModelResponse(
        text="".join(str(block.get("text", "")) for block in message.content if block.get("type") == "text"),
        tool_calls=calls,
        finish_reason="tool_calls" if calls else _FINISH.get(message.stop_reason, "stop"),
        usage=_usage(message.usage),
        model=message.model or model,
        provider=CARRY,
        id=message.id,
        carry=_carry(message.content, calls),
    )


def _carry(blocks: list[dict[str, Any]], calls: tuple[Any, ...]) -> dict[str, Any]:
    """Thoughts must come back unchanged, in their place, with the tool results that they led to."""
    if not any(block.get("type") in _CARRIED for block in blocks):
        return {}
    inputs = iter(calls)
    return {
        CARRY: [
            block | {"input": next(inputs).arguments} if block.get("type") == "tool_use" else block for block in blocks
        ]
    }


def _usage(usage: _Usage) -> Usage:
    """Anthropic counts cached and newly cached input beside the rest; ours is all of it."""
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    all_input = None if usage.input_tokens is None else usage.input_tokens + (read or 0) + (written or 0)
    return Usage(
        input_tokens=all_input, output_tokens=usage.output_tokens, cached_tokens=read, cache_write_tokens=written
    )
