import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import CircuitOpen, ConfigurationError, Retryable, ServiceError
from AgentOperatingSystem.reliability import backoff_seconds, retry

JITTER_MAX = 0.9999999


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0.0, 0.5), (1, 0.5, 0.75), (2, 0.0, 1.0), (3, 0.0, 2.0), (5, 0.5, 12.0), (10, 0.0, 150.0), (10, 0.5, 225.0)],
)
def test_it_doubles_up_to_the_maximum_with_equal_jitter(attempt: int, jitter: float, seconds: float) -> None:
    assert backoff_seconds(attempt, 1.0, 300.0, jitter) == seconds


@given(st.integers(-5, 10**9), st.floats(1e-3, 1e3), st.floats(1e-3, 1e6), st.floats(0, JITTER_MAX))
def test_it_is_never_above_the_maximum_and_never_nothing(
    attempt: int, base: float, maximum: float, jitter: float
) -> None:
    wait = backoff_seconds(attempt, base, maximum, jitter)
    assert 0 < wait <= maximum
    assert wait >= min(base, maximum) / 2


class Unreliable:
    """Raises the given errors one by one, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_it_tries_again_until_it_works(clock: Any) -> None:
    call = Unreliable(*(ServiceError("down") for _ in range(3)))
    assert await retry(call, on=ServiceError, clock=clock, jitter=lambda: 0.0) == "done"
    assert (call.calls, clock.slept) == (4, [0.5, 1.0, 2.0])


async def test_the_last_error_is_raised_after_the_last_attempt(clock: Any) -> None:
    call = Unreliable(*(ServiceError(str(number)) for number in range(9)))
    with pytest.raises(ServiceError, match="2") as raised:
        await retry(call, on=(ServiceError, OSError), attempts_max=3, clock=clock)
    assert raised.value.__notes__ == ["gave up after 3 attempts"]
    assert (call.calls, len(clock.slept)) == (3, 2)


@pytest.mark.parametrize("error", [ValueError("mine"), asyncio.CancelledError()])
async def test_other_errors_pass_at_once(clock: Any, error: BaseException) -> None:
    with pytest.raises(type(error)):
        await retry(Unreliable(error), on=ServiceError, clock=clock)
    assert clock.slept == []


@pytest.mark.parametrize("error", [CircuitOpen("open", 40), Retryable("busy", 40)])
async def test_what_the_service_asks_for_is_waited_for(clock: Any, error: Exception) -> None:
    await retry(Unreliable(error), on=(CircuitOpen, Retryable), clock=clock)
    assert clock.slept == [40]


async def test_no_attempt_at_all_makes_no_sense(clock: Any) -> None:
    with pytest.raises(ConfigurationError, match="at least 1, not 0"):
        await retry(Unreliable(), on=ServiceError, attempts_max=0, clock=clock)
