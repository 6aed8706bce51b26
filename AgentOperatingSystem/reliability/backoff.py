"""Waiting between attempts: one pure formula, and a loop for calls that are worth repeating at once.

The kernel parks an event for `backoff_seconds`; adapters wrap a single call of an unreliable service in `retry`. Both
take their randomness and their time from the caller, so that a simulation repeats exactly.
"""

from collections.abc import Awaitable, Callable
from random import random
from typing import TypeVar

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import ConfigurationError

T = TypeVar("T")
_DOUBLINGS_MAX = 60  # beyond it every base has passed every maximum, and 2**n would overflow a float in the end


def backoff_seconds(attempt: int, base_seconds: float, max_seconds: float, jitter: float) -> float:
    """How long to wait after failed attempt number `attempt`, the first being 1.

    Exponential with equal jitter: half of `base_seconds * 2**(attempt - 1)`, capped at `max_seconds`, and `jitter` in
    [0, 1) of the other half. So the wait lies in [ceiling / 2, ceiling): many failures at once spread out, and none
    comes back at once, as it may with full jitter. Source: M. Brooker, "Exponential Backoff and Jitter", AWS
    Architecture Blog, 2015.
    """
    doublings = min(max(attempt, 1) - 1, _DOUBLINGS_MAX)
    ceiling = min(base_seconds * 2.0**doublings, max_seconds)
    return ceiling / 2 + ceiling / 2 * jitter


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    attempts_max: int = 5,
    base_seconds: float = 1.0,
    max_seconds: float = 300.0,
    clock: Clock | None = None,
    jitter: Callable[[], float] = random,
) -> T:
    """The result of `call`, tried up to `attempts_max` times while it raises one of `on`, with `backoff_seconds`
    between.

    An error that carries `retry_after_seconds` or `after_seconds` (a 429, an open circuit) is waited for at least that
    long. Any other exception, and cancellation, passes at once. After the last attempt its own exception is raised,
    with a note that says how many attempts there were. Raises `ConfigurationError` where `attempts_max` is below 1.
    Specification row 194.
    """
    if attempts_max < 1:
        raise ConfigurationError(f"retry: attempts_max must be at least 1, not {attempts_max}")
    clock = clock or SystemClock()
    attempt = 1
    while True:
        try:
            return await call()
        except on as error:
            if attempt == attempts_max:
                error.add_note(f"gave up after {attempt} attempts")
                raise
            wait = max(backoff_seconds(attempt, base_seconds, max_seconds, jitter()), _asked_seconds(error))
        await clock.sleep(wait)
        attempt += 1


def _asked_seconds(error: Exception) -> float:
    asked = getattr(error, "retry_after_seconds", None) or getattr(error, "after_seconds", None)
    return float(asked or 0.0)
