"""Asks once where many ask the same at the same time: whoever comes while a call is under way shares its answer.

The call belongs to none of them: one who leaves takes nothing from the others, and when the last one leaves, it is
aborted.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around
from AgentOperatingSystem.ml.wrappers.cache import unpaid


class _Flight:
    """One call under way: what it has said so far, and who listens."""

    def __init__(self, deltas: AsyncGenerator[ModelDelta, None]) -> None:
        self.said: list[ModelDelta] = []
        self.listeners = 0
        self.news = asyncio.Event()
        self.task = asyncio.create_task(self._run(deltas))

    async def _run(self, deltas: AsyncGenerator[ModelDelta, None]) -> None:
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    self.said.append(delta)
                    self._tell()
        finally:
            self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    async def listen(self) -> AsyncGenerator[ModelDelta, None]:
        """Everything from the beginning. Raises what the call raised."""
        heard = 0
        while True:
            news = self.news
            while heard < len(self.said):
                heard += 1
                yield self.said[heard - 1]
            if self.task.done():
                self.task.result()
                return
            await news.wait()


class Coalescing(Around):
    """Identical requests in flight share one call. `bypass` and `refresh` always make their own.

    The first one to ask has the usage and the cost; the answer of the others has `cache_hit`.
    """

    def __init__(self, inner: ModelProvider) -> None:
        super().__init__(inner)
        self._flights: dict[tuple[str, bool], _Flight] = {}

    async def complete(self, request: ModelRequest) -> ModelResponse:
        if request.cache != "use":
            return await self.inner.complete(request)
        async with aclosing(self._shared(request, streaming=False)) as deltas:
            async for delta in deltas:
                if delta.response is not None:
                    return delta.response
        raise AssertionError("a call ends with a response or an error")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        deltas = self.inner.stream(request) if request.cache != "use" else self._shared(request, streaming=True)
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta

    async def _shared(self, request: ModelRequest, *, streaming: bool) -> AsyncGenerator[ModelDelta, None]:
        key = (request_hash(request, self.name), streaming)
        flight = self._flights.get(key)
        follower = flight is not None and not flight.task.done()
        if flight is None or not follower:
            flight = _Flight(self.inner.stream(request) if streaming else self._whole(request))
            self._flights[key] = flight
        flight.listeners += 1
        try:
            async with aclosing(flight.listen()) as deltas:
                async for delta in deltas:
                    if follower and delta.response is not None:
                        delta = ModelDelta(response=unpaid(delta.response))
                    yield delta
        finally:
            await self._leave(key, flight)

    async def _whole(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        yield ModelDelta(response=await self.inner.complete(request))

    async def _leave(self, key: tuple[str, bool], flight: _Flight) -> None:
        flight.listeners -= 1
        if flight.listeners and not flight.task.done():
            return
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.done():
            flight.task.cancel()
            await asyncio.wait([flight.task])
        if not flight.task.cancelled():
            flight.task.exception()  # whoever still listened has heard it
