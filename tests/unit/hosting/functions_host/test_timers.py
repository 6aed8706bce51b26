"""NCRONTAB schedules: six fields, the first of them seconds."""

import pytest

from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host import timers

NOON = 1_795_176_000.0
"""2026-11-20 12:00:00 UTC."""


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("0 */5 * * * *", 300),
        ("* * * * * *", 1),
        ("30 0 13 * * *", 3630),
        ("*/5 * * * *", 300),
        ("0 0 0 * * 1", 216_000),
    ],
)
def test_the_next_time(schedule: str, seconds: float) -> None:
    assert timers.following(schedule, NOON) == NOON + seconds


@pytest.mark.parametrize("schedule", ["", "hourly", "0 0 25 * * *", "1 2 3 4", "0 0 0 1 1 1 1"])
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ConfigurationError, match="is no NCRONTAB schedule"):
        timers.check(schedule)


@pytest.mark.virtual_time
async def test_it_ticks_whenever_it_is_due() -> None:
    clock, ticks = LoopClock(NOON), []

    async def tick() -> None:
        ticks.append(clock.now() - NOON)
        if len(ticks) == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await timers.run("0 0 * * * *", clock, tick)
    assert ticks == [pytest.approx(3600 * count, abs=0.01) for count in (1, 2, 3)]
