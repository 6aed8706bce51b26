"""Tries a call again within the turn: for a short 429, a 5xx, a time-out or a cut stream that nobody has heard yet."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import random
from typing import TypeVar

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import CircuitOpen, ModelUnavailable, RateLimited
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around, begun, going_on
from AgentOperatingSystem.reliability import retry

T = TypeVar("T")


class _GivenUp(Exception):
    """Another try within this turn makes no sense."""

    def __init__(self, error: RateLimited | ModelUnavailable) -> None:
        super().__init__(str(error))
        self.error = error


class Retrying(Around):
    """Up to `attempts_max` calls, with exponential back-off or what the provider asks for between them.

    A provider that asks for more than `wait_seconds_max` is not waited for, nor is an open circuit breaker: the error
    passes, and the kernel lets the whole agent rest without any event losing an attempt. The same after the last try.
    """

    def __init__(
        self,
        inner: ModelProvider,
        *,
        clock: Clock,
        attempts_max: int = 3,
        wait_seconds_max: float = 30.0,
        base_seconds: float = 1.0,
        jitter: Callable[[], float] = random,
    ) -> None:
        super().__init__(inner)
        self._clock = clock
        self._attempts_max = attempts_max
        self._wait_seconds_max = wait_seconds_max
        self._base_seconds = base_seconds
        self._jitter = jitter

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await self._again(lambda: self.inner.complete(request))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        first, rest = await self._again(lambda: begun(self.inner, request))
        async with aclosing(going_on(first, rest)) as deltas:
            async for delta in deltas:
                yield delta

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await retry(
                lambda: self._once(call),
                on=(RateLimited, ModelUnavailable),
                attempts_max=self._attempts_max,
                base_seconds=self._base_seconds,
                max_seconds=self._wait_seconds_max,
                clock=self._clock,
                jitter=self._jitter,
            )
        except _GivenUp as given_up:
            raise given_up.error from None

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except (RateLimited, ModelUnavailable) as error:
            circuit_is_open = isinstance(error.__cause__, CircuitOpen)
            if circuit_is_open or (error.after_seconds or 0.0) > self._wait_seconds_max:
                raise _GivenUp(error) from None
            raise
