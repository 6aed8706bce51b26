"""Spares a provider that is down, and its callers the wait: after failures in a row, calls fail at once for a while."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import CircuitOpen, ModelUnavailable
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import NOTHING_USED, ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around
from AgentOperatingSystem.reliability import CircuitBreaker


class Breaking(Around):
    """`failures_max` times `ModelUnavailable` in a row open the circuit for `open_seconds`; then one call probes.

    While it is open, calls raise `ModelUnavailable` with the time that is left. A 429 or a bad request is an answer:
    the provider is up.
    """

    def __init__(
        self, inner: ModelProvider, *, clock: Clock, failures_max: int = 5, open_seconds: float = 30.0
    ) -> None:
        super().__init__(inner)
        self._breaker = CircuitBreaker(failures_max, open_seconds, ModelUnavailable, name=inner.name, clock=clock)

    async def complete(self, request: ModelRequest) -> ModelResponse:
        with _translated():
            async with self._breaker:
                return await self.inner.complete(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        with _translated():
            async with self._breaker, aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CircuitOpen as error:
        unavailable = ModelUnavailable(str(error), error.retry_after_seconds)
        unavailable.usage = NOTHING_USED
        raise unavailable from error
