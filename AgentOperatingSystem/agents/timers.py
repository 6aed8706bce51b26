"""Timers: an agent's schedules and the time limits of its requests, as rows of its own partition; all decisions are
pure.

A doorbell wakes the agent when its first timer is due; the turn asks `due_runs` what to do. A run's event id is made
of the timer's name and the due time, so that no tick can count twice.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import InvalidEvent, InvalidSchedule
from AgentOperatingSystem.events import TIME_MAX, TIME_MIN, Event
from AgentOperatingSystem.ids import AgentId

REQUEST = "request:"
"""How the correlation id of a request begins: its answer is taken once, and only while the request waits."""
TIMER = "timer"
"""The kind of a timer's row."""
RUNS_MAX = 64
"""How many missed runs of one timer `all` makes up for in one turn; the rest follows in the next."""
MISSED = ("skip", "once", "all")
CHAIN_SECONDS = 60.0
"""A timer that is set for less than this, or comes more often, goes on with the chain of the event that set it."""
GRACE_SECONDS = 60.0
"""A run that is at most this late was not missed, only slow."""


class Timer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One schedule of an agent, or the time limit of one of its requests."""

    name: str
    due: float
    """UTC seconds of the next run."""
    type: str
    data: Any = None
    cron: str = ""
    """Empty for a single run."""
    timezone: str = "UTC"
    missed: str = "once"
    request: bool = False
    """True for the time limit of a request."""
    conversation: str = ""
    hops: int = 0
    """How long the chain of causes is that a request's time limit, or a hurried schedule, goes on with."""
    credits: int = -1
    """What is left of that chain's; -1: its runs begin one of their own."""

    new_chain: bool = False
    """Whether its runs begin a chain of causes of their own, however soon they come."""

    def same_as(self, other: "Timer") -> bool:
        """Whether both ask for the same runs, whatever the next one is, and whoever set them."""
        return self._asked() == other._asked()

    def is_hurried(self, now: float) -> bool:
        """Whether its runs go on with the chain of causes that sets it at `now`: what comes again within
        `CHAIN_SECONDS` is no new beginning.
        """
        if self.new_chain:
            return False
        if not self.cron:
            return self.due - now < CHAIN_SECONDS
        second = _following(self.cron, self.timezone, self.due)
        return second is not None and second - now < CHAIN_SECONDS

    def _asked(self) -> "Timer":
        return msgspec.structs.replace(self, due=0.0 if self.cron else self.due, hops=0, credits=-1)


def new_schedule(
    name: str, *, at: float | None, cron: str, timezone: str, missed: str, type: str, data: Any, now: float
) -> Timer:
    """A checked schedule: every event that it will make can be made. Raises `InvalidSchedule`, says what to write."""
    if not name or len(name) > 256:
        raise InvalidSchedule(f"schedule name {name[:80]!r}: needs 1 to 256 characters")
    if (at is None) == (not cron):
        raise InvalidSchedule(f"schedule {name!r}: give either a time (at, after_seconds) or a cron expression")
    if missed not in MISSED:
        raise InvalidSchedule(f"schedule {name!r}: missed={missed!r} is none of {', '.join(MISSED)}")
    if at is not None and not TIME_MIN <= at <= TIME_MAX:
        raise InvalidSchedule(f"schedule {name!r}: {at!r} is no time in UTC seconds")
    due = at if at is not None else next_run(cron, timezone, now)
    timer = Timer(name=name, due=due, type=type, data=data, cron=cron, timezone=timezone, missed=missed)
    try:
        tick(timer, AgentId("aos"), due)
    except InvalidEvent as error:
        raise InvalidSchedule(f"schedule {name!r}: {error}") from None
    return timer


def time_limit(type: str, due: float) -> float:
    """The time limit of a request of `type`. Raises `InvalidSchedule` where `due` is no time."""
    if not TIME_MIN <= due <= TIME_MAX:
        raise InvalidSchedule(f"request {type[:80]!r}: {due!r} is no time in UTC seconds")
    return due


def new_request(sent: Event, due: float) -> Timer:
    """The timer for the time limit of a request."""
    data = {"type": sent.type, "to": str(sent.agent)}
    return Timer(
        name=sent.correlation,
        due=due,
        type="aos.request.timed_out",
        data=data,
        request=True,
        conversation=sent.conversation,
        hops=sent.hops,
    )


def next_run(cron: str, timezone: str, after: float) -> float:
    """The first time that `cron` names after `after`, by the clocks of `timezone`.

    Where clocks are set forward over it, a run comes at the end of the gap; where they are set back, a schedule with
    fixed hours runs the first time only, one for every hour or minute all the time. Raises `InvalidSchedule`.
    """
    following = _following(cron, timezone, after)
    if following is None:
        raise InvalidSchedule(f"cron expression {cron[:80]!r}: there is no such time")
    return following


def _following(cron: str, timezone: str, after: float) -> float | None:
    """As `next_run`; None where no further run will ever be."""
    from croniter import CroniterBadDateError, CroniterError, croniter  # 12 ms; only cron schedules pay for it

    zone = _zone(timezone)
    try:
        runs = croniter(cron, datetime.fromtimestamp(after, zone))
        while True:
            run = float(runs.get_next(datetime).timestamp())
            if not (datetime.fromtimestamp(run, zone).fold and _has_fixed_hours(cron)):
                return run
    except CroniterBadDateError:
        return None
    except (CroniterError, ValueError, OverflowError, OSError, KeyError, AttributeError, TypeError) as error:
        raise InvalidSchedule(f"cron expression {cron[:80]!r}: {error}") from None


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(f"time zone {timezone[:80]!r}: {error}") from None


def _has_fixed_hours(cron: str) -> bool:
    """Whether the expression names hours, as `0 2 * * *` and `@daily` do and `*/15 * * * *` does not."""
    fields = cron.split()
    return cron.lower() != "@hourly" if len(fields) == 1 else not fields[1].startswith("*")


def due_runs(timer: Timer, now: float) -> tuple[list[float], float | None]:
    """The runs that are due at `now`, and the time of the next one (None: the timer is spent).

    Where `all` has more to make up for than fits in one turn, the next one is due already.
    """
    if timer.due > now:
        return [], timer.due
    if timer.cron and timer.missed == "all":
        return _all_runs(timer, now)
    latest = _latest_run(timer, now) if timer.cron else timer.due
    is_missed = timer.missed == "skip" and now - latest > GRACE_SECONDS and not timer.request
    following = _following(timer.cron, timer.timezone, now) if timer.cron else None
    return ([] if is_missed else [latest]), following


def _all_runs(timer: Timer, now: float) -> tuple[list[float], float | None]:
    runs: list[float] = []
    due: float | None = timer.due
    while due is not None and due <= now and len(runs) < RUNS_MAX:
        runs.append(due)
        due = _following(timer.cron, timer.timezone, due)
    return runs, due


def _latest_run(timer: Timer, now: float) -> float:
    """The last run that is not after `now`, found by halves: years of missed seconds take some forty steps."""
    run, none_after = timer.due, now
    while none_after - run > 0.5:  # cron knows whole seconds
        middle = (run + none_after) / 2
        following = _following(timer.cron, timer.timezone, middle)
        if following is not None and following <= now:
            run = following
        else:
            none_after = middle
    return run


def tick(timer: Timer, agent: AgentId, due: float) -> Event:
    """The event of one run: the same id however often it is made."""
    return Event(
        id=f"{timer.name}@{iso(due)}",
        source=f"/agents/{agent}/timers",
        type=timer.type,
        subject=timer.name,
        time=due,
        data=timer.data,
        agent=agent,
        tenant=agent.tenant,
        correlation=timer.name if timer.request else "",
        conversation=timer.conversation,
        hops=timer.hops,
        credits=timer.credits,
    )
