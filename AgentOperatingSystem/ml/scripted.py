"""A model that says what a test wrote: answers, tool calls, errors, pieces, silence. Nothing leaves the process.

    model = ScriptedModel(["Hello.", ToolCall("1", "look_up", {"id": 7}), RateLimited("slow down", 2.0), "It is 7."])

Tests hand it to whatever takes a `ModelProvider`. `script_file` reads a script from a file, so that a whole system can
run on it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from inspect import isawaitable
from typing import TypeAlias

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, ModelUnavailable
from AgentOperatingSystem.ml.answers import checked, replayed
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.support import check_supported

PROVIDER = "scripted"


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is streamed in just these pieces."""

    texts: tuple[str, ...]
    cut: bool = False
    """The connection ends after them: the answer is not whole."""


class Late(msgspec.Struct, frozen=True):
    """An answer that takes its time."""

    seconds: float
    answer: "str | ToolCall | tuple[ToolCall, ...] | ModelResponse | Pieces"


Answer: TypeAlias = str | ToolCall | tuple[ToolCall, ...] | ModelResponse | Pieces | Late | Exception
Author: TypeAlias = Callable[[ModelRequest], Answer | Awaitable[Answer]]


class ScriptedModel:
    """Gives the answers of a script in order, or those of a function of the request; an exception is raised.

    `requests` keeps what was asked. At the end of its script it raises `ConfigurationError`. Usage is what a
    `ModelResponse` of the script says, and unknown otherwise.
    """

    def __init__(
        self,
        script: Iterable[Answer] | Author,
        *,
        model: str = "script",
        capabilities: Capabilities | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        self.name = f"{PROVIDER}/{model}"
        self.capabilities = capabilities or Capabilities(vision=True, adapters=True)
        self.requests: list[ModelRequest] = []
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._author: Author = script if callable(script) else _in_order(iter(script))

    async def complete(self, request: ModelRequest) -> ModelResponse:
        check_supported(request, self.name, self.capabilities)
        answer = await self._in_time(request)
        if isinstance(answer, Pieces) and answer.cut:
            raise self._cut_off()
        return checked(request, self._response(answer))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        check_supported(request, self.name, self.capabilities, streaming=True)
        answer = await self._in_time(request)
        if isinstance(answer, Pieces):
            for text in answer.texts:
                yield ModelDelta(text=text)
                await asyncio.sleep(0)
            if answer.cut:
                raise self._cut_off()
            yield ModelDelta(response=checked(request, self._response(answer)))
            return
        for delta in replayed(checked(request, self._response(answer))):
            yield delta

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _in_time(self, request: ModelRequest) -> Answer:
        limit = self._timeout_seconds if request.timeout_seconds is None else request.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._answer(request)
        except TimeoutError:
            raise ModelUnavailable(f"{self.name}: no whole answer within {limit:g} s") from None

    async def _answer(self, request: ModelRequest) -> Answer:
        self.requests.append(request)
        written = self._author(request)
        answer = await written if isawaitable(written) else written
        if isinstance(answer, Late):
            await asyncio.sleep(answer.seconds)
            answer = answer.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _response(self, answer: Answer) -> ModelResponse:
        if isinstance(answer, ModelResponse):
            known = {"model": answer.model or self._model, "provider": answer.provider or PROVIDER}
            return msgspec.structs.replace(answer, **known)
        calls = (answer,) if isinstance(answer, ToolCall) else answer if isinstance(answer, tuple) else ()
        text = "".join(answer.texts) if isinstance(answer, Pieces) else answer if isinstance(answer, str) else ""
        return ModelResponse(
            text=text,
            tool_calls=calls,
            finish_reason="tool_calls" if calls else "stop",
            model=self._model,
            provider=PROVIDER,
        )

    def _cut_off(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self.name}: the stream was cut off")


def _in_order(answers: Iterator[Answer]) -> Author:
    def author(request: ModelRequest) -> Answer:
        try:
            return next(answers)
        except StopIteration:
            raise ConfigurationError("the model's script is at its end; write one more answer") from None

    return author
