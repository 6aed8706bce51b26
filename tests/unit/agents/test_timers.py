"""When schedules run: single ones and cron, daylight saving both ways, and what becomes of runs that were missed."""

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from AgentOperatingSystem.agents.timers import (
    GRACE_SECONDS,
    RUNS_MAX,
    Timer,
    due_runs,
    new_request,
    new_schedule,
    next_run,
    tick,
    time_limit,
)
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.errors import InvalidSchedule
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

NOW = from_iso("2026-01-01T00:00:00Z")


def schedule(**fields: Any) -> Timer:
    named: dict[str, Any] = {
        "name": "daily",
        "at": None,
        "cron": "",
        "timezone": "UTC",
        "missed": "once",
        "type": "aos.schedule",
        "data": None,
        "now": NOW,
    }
    named |= fields
    return new_schedule(named.pop("name"), **named)


def local(seconds: float, zone: str) -> str:
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%d %H:%M %z")


def runs_from(cron: str, zone: str, start: str, count: int) -> list[str]:
    """The next runs by the clocks on the wall there."""
    after = from_iso(start)
    found = []
    for _ in range(count):
        after = next_run(cron, zone, after)
        found.append(local(after, zone))
    return found


# --- the next run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "after", "following"),
    [
        ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z"),
        ("*/15 9-17 * * mon-fri", "2026-01-02T17:45:00Z", "2026-01-05T09:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 l * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ("* * * * * 30", "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z"),
        ("0 0 1 1 * 0 2030", "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
    ],
)
def test_the_next_run(cron: str, after: str, following: str) -> None:
    assert next_run(cron, "UTC", from_iso(after)) == from_iso(following)


def test_hours_are_those_of_the_zone() -> None:
    assert runs_from("30 9 * * *", "Asia/Kolkata", "2026-06-01T00:00:00Z", 2) == ["01 09:30 +0530", "02 09:30 +0530"]


def test_a_run_that_the_clocks_jump_over_comes_at_the_end_of_the_gap() -> None:
    assert runs_from("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 4) == [
        "28 02:30 +0100",
        "29 03:00 +0200",
        "30 02:30 +0200",
        "31 02:30 +0200",
    ]


@pytest.mark.parametrize(
    ("cron", "zone", "start", "runs"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            ["25 02:30 +0200", "26 02:30 +0100", "27 02:30 +0100"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            ["01 01:30 -0400", "02 01:30 -0500", "03 01:30 -0500"],
        ),
        ("@daily", "America/Havana", "2026-10-31T12:00:00Z", ["01 00:00 -0400", "02 00:00 -0500", "03 00:00 -0500"]),
        (
            "0 1-3 * * *",
            "Europe/Berlin",
            "2026-10-24T22:30:00Z",
            ["25 01:00 +0200", "25 02:00 +0200", "25 03:00 +0100"],
        ),
    ],
)
def test_a_schedule_with_fixed_hours_runs_once_where_the_clocks_are_set_back(
    cron: str, zone: str, start: str, runs: list[str]
) -> None:
    assert runs_from(cron, zone, start, 3) == runs


def test_a_schedule_for_every_hour_or_minute_never_pauses() -> None:
    for cron, step in [("0 * * * *", 3600.0), ("*/15 * * * *", 900.0), ("@hourly", 3600.0), ("5 */1 * * *", 3600.0)]:
        for start in ("2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"):
            after = next_run(cron, "Europe/Berlin", from_iso(start))
            for _ in range(12):
                assert next_run(cron, "Europe/Berlin", after) == after + step
                after += step


@given(
    st.sampled_from(("*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1,2 * * sun", "0 */3 * * *")),
    st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")),
    st.floats(1_700_000_000, 1_900_000_000),
)
def test_the_next_run_is_later_and_the_very_next(cron: str, zone: str, after: float) -> None:
    following = next_run(cron, zone, after)
    assert following > after
    assert next_run(cron, zone, (after + following) / 2) == following
    assert next_run(cron, zone, following) > following


# --- what is no schedule ----------------------------------------------------------------------------------------------


NO_CRON = (
    "x",
    "* * * *",
    "* * * * * * * *",
    "61 * * * *",
    "0 24 * * *",
    "*/0 * * * *",
    "@reboot",
    "H * * * *",
    "0 0 30 2 *",
    "0 0 1 1 * 0 2020",
    "\x00",
    "a" * 5000,
    "* * * * mon-xyz",
    "0 0 * * sun#9",
)
NO_ZONE = ("", "Nowhere", "../etc/passwd", "/etc/passwd", "Europe", "Europe/", "UTC+1", "\x00", "x" * 999)


@pytest.mark.parametrize("cron", NO_CRON, ids=ascii)
def test_a_cron_expression_that_names_no_time_is_refused(cron: str) -> None:
    with pytest.raises(InvalidSchedule, match="cron expression") as refused:
        schedule(cron=cron)
    assert len(str(refused.value)) < 10_000


@pytest.mark.parametrize(
    "zone", ["", "Nowhere", "../etc/passwd", "/etc/passwd", "Europe", "Europe/", "UTC+1", "\x00", "x" * 999]
)
def test_a_zone_that_is_not_known_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSchedule, match="time zone"):
        schedule(cron="* * * * *", timezone=zone)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "either a time"),
        ({"at": NOW, "cron": "* * * * *"}, "either a time"),
        ({"at": NOW, "name": ""}, "1 to 256 characters"),
        ({"at": NOW, "name": "x" * 257}, "1 to 256 characters"),
        ({"at": NOW, "name": "\ud800"}, "surrogate"),
        ({"at": NOW, "missed": "never"}, "none of skip, once, all"),
        ({"at": math.nan}, "no time"),
        ({"at": math.inf}, "no time"),
        ({"at": 1e15}, "no time"),
        ({"at": NOW, "type": ""}, "event type"),
        ({"at": NOW, "type": "x" * 2000}, "event type"),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidSchedule, match=complaint):
        schedule(**fields)


@pytest.mark.parametrize("due", [math.nan, math.inf, 1e15])
def test_a_request_needs_a_time_limit_that_is_a_time(due: float) -> None:
    with pytest.raises(InvalidSchedule, match="no time"):
        time_limit("ask", due)


# --- what is due ------------------------------------------------------------------------------------------------------


def hourly(missed: str) -> Timer:
    return schedule(cron="0 * * * *", missed=missed)


FIRST = NOW + 3600


@pytest.mark.parametrize("missed", ["skip", "once", "all"])
def test_nothing_runs_before_its_time(missed: str) -> None:
    assert due_runs(hourly(missed), FIRST - 0.001) == ([], FIRST)
    assert due_runs(hourly(missed), FIRST) == ([FIRST], FIRST + 3600)


@pytest.mark.parametrize(
    ("missed", "late_seconds", "runs"),
    [
        ("once", 10, [0]),
        ("once", 3599, [0]),
        ("once", 3600, [3600]),
        ("once", 10 * 3600 + 5, [36000]),
        ("skip", GRACE_SECONDS, [0]),
        ("skip", GRACE_SECONDS + 1, []),
        ("skip", 3600 + GRACE_SECONDS, [3600]),
        ("skip", 3600 + GRACE_SECONDS + 1, []),
        ("all", 10, [0]),
        ("all", 3 * 3600, [0, 3600, 7200, 10800]),
    ],
)
def test_missed_runs(missed: str, late_seconds: float, runs: list[float]) -> None:
    found, following = due_runs(hourly(missed), FIRST + late_seconds)
    assert found == [FIRST + run for run in runs]
    assert following == FIRST + 3600 * (late_seconds // 3600 + 1)


def test_all_makes_up_for_everything_turn_by_turn() -> None:
    timer, now, made_up = hourly("all"), FIRST + 200 * 3600 + 5, []
    turns = 0
    while timer.due <= now:
        runs, following = due_runs(timer, now)
        assert len(runs) <= RUNS_MAX
        assert following is not None
        timer, turns = msgspec.structs.replace(timer, due=following), turns + 1
        made_up += runs
    assert made_up == [FIRST + 3600 * number for number in range(201)]
    assert turns == 4


@pytest.mark.parametrize(("missed", "count"), [("once", 1), ("skip", 1)])
def test_the_latest_run_is_found_after_years_of_missed_seconds(missed: str, count: int) -> None:
    timer = schedule(cron="* * * * * */5", missed=missed)
    now = NOW + 5 * 365 * 86_400 + 3.5
    runs, following = due_runs(timer, now)
    assert (len(runs), runs[0], following) == (count, now - 3.5, now + 1.5)


CRONS = ("0 */3 * * *", "30 2 * * *", "0 9 * * mon")


@settings(max_examples=40)
@given(st.sampled_from(("once", "skip")), st.floats(0, 12 * 86_400), st.sampled_from(CRONS))
def test_the_latest_run_is_the_last_of_all(missed: str, late: float, cron: str) -> None:
    timer = schedule(cron=cron, missed=missed, timezone="Europe/Berlin", now=from_iso("2026-03-25T00:00:00Z"))
    now = timer.due + late
    every, last = timer.due, timer.due
    while every <= now:
        last, every = every, next_run(cron, "Europe/Berlin", every)
    runs, following = due_runs(timer, now)
    assert following == every
    assert runs == ([last] if missed == "once" or now - last <= GRACE_SECONDS else [])


def test_a_cron_that_has_an_end_is_spent_after_its_last_run() -> None:
    for missed in ("once", "skip", "all"):
        timer = schedule(cron="0 0 1 1 * 0 2027-2028", missed=missed)
        last = from_iso("2028-01-01T00:00:00Z")
        assert due_runs(msgspec.structs.replace(timer, due=last), last + 1) == ([last], None)


@pytest.mark.parametrize(
    ("missed", "late_seconds", "runs"),
    [("once", 0, [NOW]), ("once", 1e8, [NOW]), ("all", 1e8, [NOW]), ("skip", GRACE_SECONDS, [NOW]), ("skip", 61, [])],
)
def test_a_single_run_is_spent_after_it(missed: str, late_seconds: float, runs: list[float]) -> None:
    assert due_runs(schedule(at=NOW, missed=missed), NOW + late_seconds) == (runs, None)


def test_a_time_limit_of_a_request_is_never_skipped() -> None:
    sent = Event(type="ask", correlation="c-1", conversation="talk", agent=AgentId("b"))
    timer = new_request(sent, NOW)
    assert due_runs(timer, NOW + 1e8) == ([NOW], None)
    ended = tick(timer, AgentId("a"), NOW)
    assert (ended.type, ended.correlation, ended.conversation) == ("aos.request.timed_out", "c-1", "talk")
    assert ended.data == {"type": "ask", "to": "b"}


# --- identity ---------------------------------------------------------------------------------------------------------


def test_one_run_is_one_event_however_often_it_is_made() -> None:
    agent = AgentId("a", "k")
    one, other = tick(hourly("all"), agent, FIRST), tick(hourly("once"), agent, FIRST)
    assert one == other
    assert (one.id, one.source) == ("daily@2026-01-01T01:00:00Z", "/agents/a/k/timers")
    assert tick(hourly("all"), agent, FIRST + 3600).key != one.key


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"now": NOW + 5 * 3600}, True),
        ({"cron": "1 * * * *"}, False),
        ({"data": 1}, False),
        ({"type": "t"}, False),
        ({"missed": "all"}, False),
        ({"timezone": "Europe/Berlin"}, False),
        ({"cron": "", "at": FIRST}, False),
    ],
)
def test_asking_for_the_same_runs_is_the_same_schedule(other: dict[str, Any], same: bool) -> None:
    assert hourly("once").same_as(schedule(**({"cron": "0 * * * *"} | other))) == same


def test_a_single_run_at_another_time_is_another_schedule() -> None:
    assert schedule(at=NOW).same_as(schedule(at=NOW))
    assert not schedule(at=NOW).same_as(schedule(at=NOW + 1))
