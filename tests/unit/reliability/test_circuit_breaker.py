import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from AgentOperatingSystem.errors import CircuitOpen, ConfigurationError, ServiceError
from AgentOperatingSystem.reliability import CircuitBreaker


async def call(breaker: CircuitBreaker, error: BaseException | None = None) -> None:
    async with breaker:
        if error:
            raise error


async def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ServiceError):
            await call(breaker, ServiceError("down"))


async def open_breaker(clock: Any) -> CircuitBreaker:
    breaker = CircuitBreaker(failure_threshold=5, timeout=60, name="mail", clock=clock)
    await fail(breaker, times=5)
    return breaker


async def hold(breaker: CircuitBreaker, end: asyncio.Future[None]) -> None:
    async with breaker:
        await end


async def started(work: Callable[[asyncio.Future[None]], Awaitable[None]]) -> tuple[Any, asyncio.Future[None]]:
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(work(end))
    await asyncio.sleep(0)
    return task, end


async def test_it_opens_after_the_threshold_and_says_when_to_come_back(clock: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=5, timeout=60, name="mail", clock=clock)
    await fail(breaker, times=4)
    assert breaker.state == "closed"
    await fail(breaker)
    assert breaker.state == "open"
    clock.time += 20
    with pytest.raises(CircuitOpen, match="circuit breaker 'mail' is open; retry in 40") as raised:
        await call(breaker)
    assert raised.value.retry_after_seconds == 40


async def test_only_failures_in_a_row_count(clock: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=60, clock=clock)
    for _ in range(5):
        await fail(breaker)
        await call(breaker)
    assert breaker.state == "closed"


async def test_other_exceptions_pass_and_are_not_counted(clock: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=60, clock=clock)
    await fail(breaker)
    for error in (ValueError("mine"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await call(breaker, error)
    assert breaker.state == "closed"
    await fail(breaker)
    assert breaker.state == "open"


async def test_several_classes_may_be_expected(clock: Any) -> None:
    breaker = CircuitBreaker(1, 60, (TimeoutError, ConnectionError), clock=clock)
    with pytest.raises(ConnectionResetError):
        await call(breaker, ConnectionResetError())
    assert breaker.state == "open"


async def test_a_probe_that_succeeds_closes_it(clock: Any) -> None:
    breaker = await open_breaker(clock)
    clock.time += 60
    assert breaker.state == "half-open"
    await call(breaker)
    assert breaker.state == "closed"
    await fail(breaker, times=4)
    assert breaker.state == "closed", "the count starts anew"


async def test_a_probe_that_fails_opens_it_for_its_whole_time_again(clock: Any) -> None:
    breaker = await open_breaker(clock)
    clock.time += 60
    await fail(breaker)
    clock.time += 59
    with pytest.raises(CircuitOpen):
        await call(breaker)
    clock.time += 1
    await call(breaker)


async def test_one_probe_at_a_time(clock: Any) -> None:
    breaker = await open_breaker(clock)
    clock.time += 60
    probe, end = await started(lambda end: hold(breaker, end))
    with pytest.raises(CircuitOpen, match="half-open") as raised:
        await call(breaker)
    assert raised.value.retry_after_seconds == 1
    end.set_result(None)
    await probe
    await call(breaker)


@pytest.mark.parametrize("error", [ValueError("mine"), asyncio.CancelledError()])
async def test_a_probe_that_says_nothing_about_the_service_lets_the_next_one_probe(
    clock: Any, error: BaseException
) -> None:
    breaker = await open_breaker(clock)
    clock.time += 60
    with pytest.raises(type(error)):
        await call(breaker, error)
    assert breaker.state == "half-open"
    await call(breaker)
    assert breaker.state == "closed"


@pytest.mark.parametrize("error", [None, ServiceError("late"), ValueError("mine")])
async def test_a_call_from_before_the_opening_is_not_taken_for_the_probe(clock: Any, error: Exception | None) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=60, clock=clock)
    old, old_end = await started(lambda end: hold(breaker, end))
    await fail(breaker)
    clock.time += 60
    probe, probe_end = await started(lambda end: hold(breaker, end))
    old_end.set_exception(error) if error else old_end.set_result(None)
    await asyncio.wait([old])
    with pytest.raises(CircuitOpen, match="half-open"):
        await call(breaker)
    probe_end.set_result(None)
    await probe
    assert breaker.state == "closed"
    assert old.exception() is error


async def test_a_task_may_enter_again_inside(clock: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=60, clock=clock)
    with pytest.raises(ServiceError):
        async with breaker:
            await call(breaker, ServiceError("inner and outer"))
    assert breaker.state == "open"


async def test_entered_in_one_task_and_left_in_another(clock: Any) -> None:
    breaker = await open_breaker(clock)
    clock.time += 60
    await asyncio.create_task(breaker.__aenter__())
    await breaker.__aexit__(None, None, None)
    assert breaker.state == "closed"


async def test_a_clock_that_is_set_back_does_not_keep_it_open(clock: Any) -> None:
    breaker = await open_breaker(clock)
    clock.time -= 3_600
    with pytest.raises(CircuitOpen, match=r"retry in 60\.0 s"):
        await call(breaker)
    clock.time += 60
    await call(breaker)


@pytest.mark.parametrize(("threshold", "timeout"), [(0, 60), (5, 0), (5, -1), (5, float("nan"))])
def test_limits_that_make_no_sense_are_refused(threshold: int, timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="failure_threshold must be at least 1"):
        CircuitBreaker(threshold, timeout)


async def test_the_defaults_are_those_of_the_specification() -> None:
    breaker = CircuitBreaker()
    await fail(breaker, times=5)
    with pytest.raises(CircuitOpen) as raised:
        await call(breaker)
    assert 59 < (raised.value.retry_after_seconds or 0) <= 60
