"""What every wrapper has in common: the name, the abilities and the end of what it is around."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse


class Around:
    """Passes everything through to `inner`."""

    def __init__(self, inner: ModelProvider) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await self.inner.complete(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        async with aclosing(self.inner.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        await self.inner.close()


async def begun(provider: ModelProvider, request: ModelRequest) -> tuple[ModelDelta, AsyncGenerator[ModelDelta, None]]:
    """A stream with its first delta, which is when a provider has accepted the request; until then it may be begun
    anew, here or elsewhere, without anybody having heard a word.
    """
    deltas = provider.stream(request)
    try:
        return await anext(deltas), deltas
    except BaseException:
        await deltas.aclose()
        raise


async def going_on(first: ModelDelta, rest: AsyncGenerator[ModelDelta, None]) -> AsyncGenerator[ModelDelta, None]:
    """The stream again, whole."""
    async with aclosing(rest):
        yield first
        async for delta in rest:
            yield delta
