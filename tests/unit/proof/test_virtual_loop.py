"""The virtual loop: waiting costs nothing, time is exact, order is fixed, and a standstill is an error instead of a
hang.
"""

import asyncio
import time

import pytest

from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.proof.simulator.virtual_loop import Deadlock, VirtualLoop, run_virtual


@pytest.mark.virtual_time
async def test_a_year_of_sleep_takes_no_time_and_is_exact() -> None:
    began = time.monotonic()
    await asyncio.sleep(365 * 86_400)
    assert asyncio.get_running_loop().time() == 365 * 86_400
    assert time.monotonic() - began < 5


@pytest.fixture
async def born_at() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.virtual_time
async def test_fixtures_live_on_the_same_loop(born_at: float) -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert born_at == 0.0


async def test_without_the_marker_time_is_real() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)


@pytest.mark.virtual_time
async def test_timers_fire_in_the_order_of_their_times_and_then_of_their_making() -> None:
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    for delay, name in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (3.0, "d")):
        loop.call_later(delay, heard.append, name)
    await asyncio.sleep(3.0)
    await asyncio.sleep(0)
    assert heard == ["a", "b", "c", "d"]


@pytest.mark.virtual_time
async def test_the_loop_clock_follows() -> None:
    clock = LoopClock(epoch=1000.0)
    await clock.sleep(60.0)
    assert clock.now() == 1060.0


def test_a_standstill_is_found() -> None:
    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run_virtual(wait_for_ever())


def test_a_timeout_within_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 3600


@pytest.mark.virtual_time(grace_seconds=0.5)
async def test_threads_are_given_time_before_the_clock_jumps() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(loop.run_in_executor(None, time.sleep, 0.05), 3600)
    assert loop.time() < 3600
