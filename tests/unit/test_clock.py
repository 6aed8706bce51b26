"""Time as a port, and times as text."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.clock import LoopClock, SystemClock, from_iso, iso
from tests.clocks import advance


async def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.time()
    await clock.sleep(0.01)
    assert before + 0.009 <= clock.now() <= time.time()


@pytest.mark.manual_time
async def test_the_loop_clock_follows_the_loop() -> None:
    clock = LoopClock(epoch=1000.0)
    sleeping = asyncio.create_task(clock.sleep(60))
    await advance(59)
    assert (clock.now(), sleeping.done()) == (1059.0, False)
    await advance(1)
    assert (clock.now(), sleeping.done()) == (1060.0, True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1_767_225_600.0, "2026-01-01T00:00:00Z"),
        (1_767_225_600.25, "2026-01-01T00:00:00.250000Z"),
        (-1.0, "1969-12-31T23:59:59Z"),
    ],
)
def test_times_are_written_in_utc(seconds: float, text: str) -> None:
    assert iso(seconds) == text
    assert from_iso(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        ("2026-01-01 00:00:00Z", 1_767_225_600.0),
    ],
)
def test_times_are_read_with_and_without_a_zone(text: str, seconds: float) -> None:
    assert from_iso(text) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12:00", "1767225600"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat|month must be"):
        from_iso(text)


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_a_time_comes_back_to_the_microsecond(seconds: int, microseconds: int) -> None:
    moment = seconds + microseconds / 1e6
    assert abs(from_iso(iso(moment)) - moment) < 1e-6
