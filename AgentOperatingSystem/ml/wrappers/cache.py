"""Keeps answers: the same question again is answered from memory, at once and for nothing, as long as they are fresh.

In memory and per process. Only for models that are to answer the same question the same way; the journal is what makes
an event's retry cheap, not this.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.ml.answers import replayed
from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import NOTHING_USED, Cost, ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around

_decode = msgspec.json.Decoder(ModelResponse).decode


class Caching(Around):
    """Exact matches by `request_hash`, for `ttl_seconds`, at most `bytes_max` in all; the least recently used go first.

    `ModelRequest.cache` says how: `use`, `refresh` (ask and keep) or `bypass`. A refusal and an answer that was cut are
    not kept. An answer from here has `cache_hit`, no usage and no cost.
    """

    def __init__(self, inner: ModelProvider, *, clock: Clock, ttl_seconds: float, bytes_max: int) -> None:
        super().__init__(inner)
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._bytes_max = bytes_max
        self._bytes = 0
        # Encoded, so that its size is known and no caller can change what the next one gets.
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def complete(self, request: ModelRequest) -> ModelResponse:
        key = request_hash(request, self.name)
        found = self._find(key, request)
        if found is not None:
            return found
        response = await self.inner.complete(request)
        self._keep(key, request, response)
        return response

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        key = request_hash(request, self.name)
        found = self._find(key, request)
        if found is not None:
            for delta in replayed(found):
                yield delta
            return
        async with aclosing(self.inner.stream(request)) as deltas:
            async for delta in deltas:
                if delta.response is not None:
                    self._keep(key, request, delta.response)
                yield delta

    def _find(self, key: str, request: ModelRequest) -> ModelResponse | None:
        kept = self._kept.get(key)
        if kept is None or request.cache != "use":
            return None
        fresh_until, encoded = kept
        if self._clock.now() >= fresh_until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return unpaid(_decode(encoded))

    def _keep(self, key: str, request: ModelRequest, response: ModelResponse) -> None:
        if request.cache == "bypass" or response.finish_reason in ("refusal", "length"):
            return
        self._drop(key)
        encoded = msgspec.json.encode(response)
        self._kept[key] = (self._clock.now() + self._ttl_seconds, encoded)
        self._bytes += len(encoded)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        if key in self._kept:
            self._bytes -= len(self._kept.pop(key)[1])


def unpaid(response: ModelResponse) -> ModelResponse:
    """An answer that another call has paid for."""
    currency = response.cost.currency if response.cost else "USD"
    return msgspec.structs.replace(
        response, cache_hit=True, usage=NOTHING_USED, cost=Cost(Decimal(0), currency), cost_note=""
    )
