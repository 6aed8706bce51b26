"""A model behind HTTP: one provider class for all of them, because a wire says whatever differs.

`registry` builds it from a wire (pure: how a request is written and an answer is read), an edge (I/O) and what the
model can do. It checks before the call and after it; wrappers go around it.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from AgentOperatingSystem.errors import MalformedAnswer
from AgentOperatingSystem.ml.answers import checked
from AgentOperatingSystem.ml.http import HttpEdge, decoded
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.support import check_supported
from AgentOperatingSystem.ml.wires import Wire


class HttpProvider:
    """A `ModelProvider` that speaks `wire` over `edge`."""

    def __init__(
        self, name: str, wire: Wire, edge: HttpEdge, capabilities: Capabilities, timeout_seconds: float
    ) -> None:
        self.name = name
        self.capabilities = capabilities
        self._wire = wire
        self._edge = edge
        self._timeout_seconds = timeout_seconds

    async def complete(self, request: ModelRequest) -> ModelResponse:
        check_supported(request, self.name, self.capabilities)
        body = self._wire.body(request, streaming=False)
        answer = await self._edge.call(self._wire.path(streaming=False), body, self._limit(request))
        try:
            return checked(request, self._wire.read(answer))
        except msgspec.ValidationError as error:
            raise self._misshapen(error) from None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        check_supported(request, self.name, self.capabilities, streaming=True)
        body, reader = self._wire.body(request, streaming=True), self._wire.reader()
        path, limit = self._wire.path(streaming=True), self._limit(request)
        try:
            async with aclosing(self._edge.stream(path, body, limit, self._wire.framing)) as pieces:
                async for piece in pieces:
                    if piece != b"[DONE]":  # OpenAI's end of stream; what counts is that the answer said it is whole
                        for delta in reader.feed(decoded(self.name, piece)):
                            yield delta
            response = checked(request, reader.response())
        except msgspec.ValidationError as error:
            raise self._misshapen(error) from None
        yield ModelDelta(response=response)

    async def close(self) -> None:
        await self._edge.close()

    def _limit(self, request: ModelRequest) -> float:
        return self._timeout_seconds if request.timeout_seconds is None else request.timeout_seconds

    def _misshapen(self, error: msgspec.ValidationError) -> MalformedAnswer:
        return MalformedAnswer(f"{self.name} answered in another shape than documented: {error}")
