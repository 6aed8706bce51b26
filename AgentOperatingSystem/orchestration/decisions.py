"""What becomes of an event: pure functions over frozen records. The kernel acts on what they say.

One question divides errors: try again?
"""

import msgspec

from AgentOperatingSystem.agents.base_agent import RestartPolicy
from AgentOperatingSystem.errors import (
    AOSError,
    HandlerError,
    InvalidInput,
    NotFound,
    Quarantine,
    Retryable,
    StoreUnavailable,
    Terminal,
    Unavailable,
)
from AgentOperatingSystem.observability.redaction import redact
from AgentOperatingSystem.reliability.backoff import backoff_seconds
from AgentOperatingSystem.storage.records import Control, Head, Status

REASON_LENGTH_MAX = 2000


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that decide; all of them are settings."""

    attempts_max: int = 5
    backoff_base_seconds: float = 1.0
    backoff_max_seconds: float = 300.0
    crash_limit: int = 3
    turn_timeout_seconds: float = 300.0
    turn_deadline_seconds: float = 240.0
    """A turn that is older makes no further step: its event goes on in the next one."""
    clock_skew_seconds: float = 5.0
    """How far the clocks of two hosts may be apart."""
    held_max: int = 1000
    """How many events that a conversation held are freed at once when it goes on."""
    event_steps_max: int = 1000
    """How many steps one event may make, over all of its tries."""
    step_repeats_max: int = 50
    """How often it may make the very same step."""
    turn_events_max: int = 64
    history_states: str = "off"
    """Which states are kept for later: `off`, `steps` or `all`."""
    priority_stride: int = 1000
    """How many places one step of priority overtakes: a bounded number, so nothing starves."""


class Park(msgspec.Struct, frozen=True):
    """Try the event again at `due`; this try counted."""

    due: float
    reason: str


class BackOff(msgspec.Struct, frozen=True):
    """Hold the whole agent still until `until`; no event loses an attempt."""

    until: float
    reason: str


class Stop(msgspec.Struct, frozen=True):
    """Stop the agent and keep its event."""

    reason: str


class End(msgspec.Struct, frozen=True):
    """The event ends here, or is put aside."""

    status: Status
    reason: str


Decision = Park | BackOff | Stop | End


def after_failure(
    error: BaseException, *, attempt: int, outages: int, restart: RestartPolicy, rules: Rules, now: float, jitter: float
) -> Decision:
    """What becomes of an event whose handler raised `error` at its `attempt`-th try (1 is the first)."""
    reason = describe(error)
    if isinstance(error, Unavailable | StoreUnavailable):
        asked_seconds = error.after_seconds if isinstance(error, Unavailable) else None
        return BackOff(now + _wait(asked_seconds, outages + 1, rules, jitter), reason)
    if isinstance(error, Terminal):
        return End(Status.FAILED, reason)
    if isinstance(error, Quarantine | InvalidInput | NotFound):
        return End(Status.QUARANTINED, reason)
    asked = isinstance(error, Retryable)
    if restart.mode == "never" and not asked:
        return Stop(f"restart policy is 'never': {reason}")
    limit = restart.attempts_max or rules.attempts_max
    if attempt >= limit and (asked or restart.mode != "always"):
        return End(Status.QUARANTINED, f"{reason} (attempt {attempt} of {limit})")
    return Park(
        now + _wait(error.after_seconds if isinstance(error, Retryable) else None, attempt, rules, jitter), reason
    )


def why_hold(head: Head, now: float, *, broken: AOSError | None, switched: str = "") -> End | str | None:
    """Why an agent cannot handle anything now: an end for the event, a reason to park it, or None. `switched` is why
    its type or tenant is held.
    """
    if head.control is Control.TERMINATED:
        return End(Status.CANCELLED, f"the agent was terminated{_because(head)}")
    if head.control is not Control.ACTIVE:
        return f"the agent is {head.control}{_because(head)}"
    if switched:
        return switched
    if head.backoff_until > now:
        return f"the agent backs off{_because(head)}"
    if broken is not None:
        return End(Status.QUARANTINED, describe(broken))
    return None


def order_of(position: int, priority: int, strict: bool, rules: Rules) -> int:
    """The place of a parked event: its position, moved ahead by its priority, so far and no further."""
    return position if strict else position - priority * rules.priority_stride


def describe(error: BaseException) -> str:
    """An error as a reason that fits a row, whatever it says: its code or class, and its message without secrets."""
    name = error.code if isinstance(error, HandlerError) and type(error) is not HandlerError else type(error).__name__
    try:
        message = str(error)
    except Exception as unspeakable:
        message = f"(its message cannot be made: {type(unspeakable).__name__})"
    return redact(f"{name}: {message}")[:REASON_LENGTH_MAX].encode("utf-8", "backslashreplace").decode()


def _wait(asked: float | None, attempt: int, rules: Rules, jitter: float) -> float:
    if asked is not None:
        return max(0.0, asked)
    return backoff_seconds(attempt, rules.backoff_base_seconds, rules.backoff_max_seconds, jitter)


def _because(head: Head) -> str:
    return f": {head.reason}" if head.reason else ""
