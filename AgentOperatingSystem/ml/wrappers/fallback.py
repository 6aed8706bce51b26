"""Asks another model where the first one cannot be had. Which one answered stands in the response."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec

from AgentOperatingSystem.errors import ModelError, ModelUnauthorized, ModelUnavailable, RateLimited, UnsupportedRequest
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around, begun, going_on

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Falling(Around):
    """The first model, and while it is rate-limited, down or locked, the `others` in order.

    A model that cannot do what the request needs is passed over. Where none answers, the first one's error is raised,
    with a note for each of the others. A stream changes models only before its first delta.
    """

    def __init__(
        self,
        inner: ModelProvider,
        others: Sequence[ModelProvider],
        *,
        on: tuple[type[ModelError], ...] = (RateLimited, ModelUnavailable, ModelUnauthorized),
    ) -> None:
        super().__init__(inner)
        self._others = tuple(others)
        self._on = on

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await self._first_of(request, lambda provider, asked: provider.complete(asked))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        first, rest = await self._first_of(request, begun)
        async with aclosing(going_on(first, rest)) as deltas:
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        for provider in (self.inner, *self._others):
            await provider.close()

    async def _first_of(self, request: ModelRequest, call: Callable[[ModelProvider, ModelRequest], Awaitable[T]]) -> T:
        try:
            return await call(self.inner, request)
        except self._on as error:
            missed = error
        passing: tuple[type[ModelError], ...] = (*self._on, UnsupportedRequest)
        for provider in self._others:
            _log.warning("%s; asking %s instead", missed, provider.name)
            try:
                return await call(provider, msgspec.structs.replace(request, model=""))
            except passing as error:
                missed.add_note(f"instead of it {provider.name}: {error}")
        raise missed
