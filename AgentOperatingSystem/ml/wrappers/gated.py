"""Leads each call through the gate of its endpoint, so that ten thousand agents do not stampede."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from AgentOperatingSystem.ml.gate import Gate
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around


class Gated(Around):
    """A call waits until `gate` lets it in, within its own time; a stream is inside until it ends.

    Goes outside of the circuit breaker, so that an open circuit holds the gate, and inside of the retries, so that a
    second try queues up behind the others.
    """

    def __init__(self, inner: ModelProvider, gate: Gate) -> None:
        super().__init__(inner)
        self._gate = gate

    async def complete(self, request: ModelRequest) -> ModelResponse:
        async with self._inside():
            return await self.inner.complete(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        async with self._inside(), aclosing(self.inner.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[None]:
        await self._gate.enter()
        loop, cuts, failed = asyncio.get_running_loop(), self._gate.flow.cuts, None
        began = loop.time()
        try:
            yield
        except BaseException as error:
            failed = error
            raise
        finally:
            self._gate.leave(loop.time() - began, cuts, failed)
