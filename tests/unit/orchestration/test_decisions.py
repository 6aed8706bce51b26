"""What becomes of an event, as tables: no agent, no store, no time."""

import heapq

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.agents.base_agent import RestartPolicy, on_failure
from AgentOperatingSystem.errors import (
    AOSError,
    Conflict,
    HandlerError,
    InvalidEvent,
    Quarantine,
    Retryable,
    StateUnreadable,
    Terminal,
    TooLarge,
    TurnTimedOut,
    Unavailable,
    UnknownAgent,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.decisions import (
    BackOff,
    Decision,
    End,
    Park,
    Rules,
    Stop,
    after_failure,
    describe,
    order_of,
    why_hold,
)
from AgentOperatingSystem.storage.records import Control, Head, Status

NOW = 1000.0
RULES = Rules(attempts_max=3, backoff_base_seconds=2.0, backoff_max_seconds=10.0)
NEVER, ALWAYS, DEFAULT = RestartPolicy("never"), RestartPolicy("always"), RestartPolicy()


def decide(
    error: BaseException, attempt: int = 1, restart: RestartPolicy = DEFAULT, outages: int = 0, jitter: float = 0.0
) -> Decision:
    return after_failure(error, attempt=attempt, outages=outages, restart=restart, rules=RULES, now=NOW, jitter=jitter)


PARKED = [
    # error, attempt, policy, seconds until the next try
    (ValueError("x"), 1, DEFAULT, 1.0),
    (ValueError("x"), 2, DEFAULT, 2.0),
    (SystemExit(1), 1, DEFAULT, 1.0),
    (TurnTimedOut("x"), 1, DEFAULT, 1.0),
    (Conflict("x"), 1, DEFAULT, 1.0),
    (StateUnreadable("x"), 1, DEFAULT, 1.0),
    (HandlerError("x"), 1, DEFAULT, 1.0),
    (Retryable("x"), 1, DEFAULT, 1.0),
    (Retryable("x", after_seconds=50), 2, DEFAULT, 50.0),
    (Retryable("x", after_seconds=0), 1, DEFAULT, 0.0),
    (Retryable("x", after_seconds=-5), 1, DEFAULT, 0.0),
    (Retryable("x"), 1, NEVER, 1.0),
    (ValueError("x"), 4, on_failure(5), 5.0),
    (ValueError("x"), 900, ALWAYS, 5.0),
    (ValueError("x"), 1, ALWAYS, 1.0),
]


@pytest.mark.parametrize(("error", "attempt", "restart", "seconds"), PARKED, ids=lambda each: str(each)[:30])
def test_a_failed_try_steps_aside(error: BaseException, attempt: int, restart: RestartPolicy, seconds: float) -> None:
    decision = decide(error, attempt, restart)
    assert isinstance(decision, Park)
    assert decision.due == NOW + seconds


ENDED = [
    # error, attempt, policy, status
    (Terminal("x"), 1, DEFAULT, Status.FAILED),
    (Terminal("x"), 1, ALWAYS, Status.FAILED),
    (Terminal("x"), 1, NEVER, Status.FAILED),
    (Quarantine("x"), 1, DEFAULT, Status.QUARANTINED),
    (Quarantine("x"), 1, ALWAYS, Status.QUARANTINED),
    (InvalidEvent("x"), 1, DEFAULT, Status.QUARANTINED),
    (TooLarge("x"), 1, NEVER, Status.QUARANTINED),
    (UnknownAgent("x"), 1, DEFAULT, Status.QUARANTINED),
    (ValueError("x"), 3, DEFAULT, Status.QUARANTINED),
    (ValueError("x"), 9, DEFAULT, Status.QUARANTINED),
    (Retryable("x"), 3, DEFAULT, Status.QUARANTINED),
    (Retryable("x", after_seconds=5), 3, ALWAYS, Status.QUARANTINED),
    (Retryable("x"), 3, NEVER, Status.QUARANTINED),
    (ValueError("x"), 1, on_failure(1), Status.QUARANTINED),
    (TurnTimedOut("x"), 3, DEFAULT, Status.QUARANTINED),
]


@pytest.mark.parametrize(("error", "attempt", "restart", "status"), ENDED, ids=lambda each: str(each)[:30])
def test_an_event_ends(error: BaseException, attempt: int, restart: RestartPolicy, status: Status) -> None:
    decision = decide(error, attempt, restart)
    assert isinstance(decision, End)
    assert decision.status is status
    assert "x" in decision.reason


@pytest.mark.parametrize("error", [ValueError("boom"), TurnTimedOut("boom"), SystemExit("boom")])
def test_never_stops_the_agent_at_a_crash(error: BaseException) -> None:
    decision = decide(error, restart=NEVER)
    assert isinstance(decision, Stop)
    assert "never" in decision.reason
    assert "boom" in decision.reason


@pytest.mark.parametrize(
    ("after_seconds", "outages", "seconds"),
    [(None, 0, 1.0), (None, 1, 2.0), (None, 9, 5.0), (30.0, 9, 30.0), (0.0, 0, 0.0)],
)
@pytest.mark.parametrize("restart", [DEFAULT, NEVER, ALWAYS])
@pytest.mark.parametrize("attempt", [1, 99])
def test_an_outage_backs_off_the_agent_at_any_attempt(
    after_seconds: float | None, outages: int, seconds: float, restart: RestartPolicy, attempt: int
) -> None:
    decision = decide(Unavailable("model down", after_seconds), attempt, restart, outages)
    assert decision == BackOff(NOW + seconds, "unavailable: model down")


def test_jitter_spreads_the_other_half() -> None:
    dues = [decide(ValueError("x"), 2, jitter=jitter) for jitter in (0.0, 0.5, 0.75)]
    assert [each.due - NOW for each in dues if isinstance(each, Park)] == [2.0, 3.0, 3.5]


@given(st.integers(1, 10**6), st.floats(0, 0.999), st.sampled_from((DEFAULT, ALWAYS, on_failure(10**7))))
def test_no_wait_is_above_the_maximum(attempt: int, jitter: float, restart: RestartPolicy) -> None:
    decision = decide(ValueError("x"), attempt, restart, jitter=jitter)
    assert isinstance(decision, End) or (isinstance(decision, Park) and 0 < decision.due - NOW <= 10.0)


# --- holding ----------------------------------------------------------------------------------------------------------

HEAD = Head(agent=AgentId("a"))
BROKEN = StateUnreadable("newer schema")


@pytest.mark.parametrize(
    ("fields", "broken", "expected"),
    [
        ({}, None, None),
        ({"backoff_until": NOW}, None, None),
        ({"backoff_until": NOW - 1}, None, None),
        ({"backoff_until": NOW + 1, "reason": "down"}, None, "the agent backs off: down"),
        ({"control": Control.PAUSED}, None, "the agent is paused"),
        ({"control": Control.PAUSED, "reason": "lunch"}, None, "the agent is paused: lunch"),
        ({"control": Control.STOPPED, "reason": "bug"}, None, "the agent is stopped: bug"),
        ({"control": Control.PAUSED}, BROKEN, "the agent is paused"),
        ({"control": Control.PAUSED, "backoff_until": NOW + 1}, None, "the agent is paused"),
        ({"backoff_until": NOW + 1}, BROKEN, "the agent backs off"),
        ({"control": Control.TERMINATED}, None, End(Status.CANCELLED, "the agent was terminated")),
        (
            {"control": Control.TERMINATED, "reason": "old"},
            BROKEN,
            End(Status.CANCELLED, "the agent was terminated: old"),
        ),
        ({}, BROKEN, End(Status.QUARANTINED, "StateUnreadable: newer schema")),
    ],
)
def test_why_an_agent_holds(fields: dict[str, object], broken: AOSError | None, expected: End | str | None) -> None:
    assert why_hold(msgspec.structs.replace(HEAD, **fields), NOW, broken=broken) == expected


# --- order ------------------------------------------------------------------------------------------------------------


def handled_in_order(priorities: list[int], rules: Rules, *, backlog: int) -> list[int]:
    """Positions of events in the order of their handling, where `backlog` wait when the first is taken and one comes
    for each that goes.
    """
    waiting: list[tuple[int, int]] = []
    arrivals = iter(enumerate(priorities, 1))
    for _, (position, priority) in zip(range(backlog), arrivals, strict=False):
        heapq.heappush(waiting, (order_of(position, priority, False, rules), position))
    handled = []
    while waiting:
        handled.append(heapq.heappop(waiting)[1])
        for position, priority in arrivals:
            heapq.heappush(waiting, (order_of(position, priority, False, rules), position))
            break
    return handled


def test_events_of_one_priority_are_first_in_first_out() -> None:
    assert handled_in_order([4] * 50, Rules(), backlog=10) == list(range(1, 51))


def test_a_higher_priority_overtakes_what_waits() -> None:
    assert handled_in_order([0, 0, 9, 5, 9], Rules(), backlog=5) == [3, 5, 4, 1, 2]


def test_where_order_is_strict_nobody_overtakes() -> None:
    assert [order_of(position, position % 10, True, Rules()) for position in range(1, 20)] == list(range(1, 20))


@given(st.lists(st.integers(0, 9), min_size=2, max_size=150), st.integers(1, 30))
def test_nothing_starves(priorities: list[int], backlog: int) -> None:
    rules = Rules(priority_stride=5)
    handled = handled_in_order(priorities, rules, backlog=backlog)
    assert sorted(handled) == list(range(1, len(priorities) + 1))
    for place, position in enumerate(handled):
        overtakers = sum(1 for other in handled[:place] if other > position)
        assert overtakers <= 9 * rules.priority_stride


def test_an_endless_stream_of_urgent_events_lets_an_ordinary_one_pass() -> None:
    handled = handled_in_order([0] + [9] * 300, Rules(priority_stride=10), backlog=5)
    assert handled.index(1) == 9 * 10 - 1


# --- reasons ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (Terminal("no"), "terminal: no"),
        (Retryable(), "retryable: "),
        (HandlerError("mine"), "HandlerError: mine"),
        (InvalidEvent("odd"), "InvalidEvent: odd"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_an_error_as_a_reason(error: BaseException, reason: str) -> None:
    assert describe(error) == reason


def test_a_reason_fits_a_row() -> None:
    assert len(describe(ValueError("x" * 100_000))) == 2000


class Unspeakable(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Surrogate(Exception):
    def __str__(self) -> str:
        return "half \ud800 a character"


def test_an_error_that_cannot_be_described_is_named_all_the_same() -> None:
    assert describe(Unspeakable()).startswith("Unspeakable")
    assert describe(Surrogate()).encode() == b"Surrogate: half \\ud800 a character"
