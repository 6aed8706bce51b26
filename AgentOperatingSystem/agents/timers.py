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
from AgentOperatingSystem.errors import InvalidSchedule
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

TIMER = "timer"
"""The kind of a timer's row."""
RUNS_MAX = 1000
"""How many missed runs `all` makes up for at once."""
MISSED = ("skip", "once", "all")
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

    def same_as(self, other: "Timer") -> bool:
        """Whether both ask for the same runs, whatever the next one is."""
        return msgspec.structs.replace(self, due=0.0 if self.cron else self.due) == msgspec.structs.replace(
            other, due=0.0 if other.cron else other.due
        )


def new_schedule(
    name: str, *, at: float | None, cron: str, timezone: str, missed: str, type: str, data: Any, now: float
) -> Timer:
    """A checked schedule. Raises `InvalidSchedule` and says what to write instead."""
    if not name or len(name) > 256:
        raise InvalidSchedule(f"schedule name {name[:80]!r}: needs 1 to 256 characters")
    if (at is None) == (not cron):
        raise InvalidSchedule(f"schedule {name!r}: give either a time (at, after_seconds) or a cron expression")
    if missed not in MISSED:
        raise InvalidSchedule(f"schedule {name!r}: missed={missed!r} is none of {', '.join(MISSED)}")
    due = at if at is not None else next_run(cron, timezone, now)
    return Timer(name=name, due=due, type=type, data=data, cron=cron, timezone=timezone, missed=missed)


def new_request(sent: Event, due: float) -> Timer:
    """The time limit of a request."""
    data = {"type": sent.type, "to": str(sent.agent)}
    return Timer(
        name=sent.correlation,
        due=due,
        type="aos.request.timed_out",
        data=data,
        request=True,
        conversation=sent.conversation,
    )


def next_run(cron: str, timezone: str, after: float) -> float:
    """The first time that `cron` names after `after`, daylight saving of `timezone` considered.

    Raises `InvalidSchedule`.
    """
    from croniter import CroniterError, croniter  # 12 ms; only agents with a cron schedule pay for it

    try:
        zone = ZoneInfo(timezone)
        start = datetime.fromtimestamp(after, zone)
        return float(croniter(cron, start).get_next(datetime).timestamp())
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError) as error:
        kind = "time zone" if isinstance(error, ZoneInfoNotFoundError) else "cron expression"
        raise InvalidSchedule(f"{kind} {(timezone if kind == 'time zone' else cron)[:80]!r}: {error}") from None
    except (CroniterError, KeyError, AttributeError, TypeError) as error:
        raise InvalidSchedule(f"cron expression {cron[:80]!r}: {error}") from None


def due_runs(timer: Timer, now: float) -> tuple[list[float], float | None]:
    """The runs that are due at `now`, and the time of the next one (None: the timer is spent)."""
    if timer.due > now:
        return [], timer.due
    if not timer.cron:
        missed = timer.missed == "skip" and now - timer.due > GRACE_SECONDS and not timer.request
        return ([] if missed else [timer.due]), None
    runs: list[float] = []
    due = timer.due
    while due <= now and len(runs) < RUNS_MAX:
        runs.append(due)
        due = next_run(timer.cron, timer.timezone, due)
    if due <= now:
        due = next_run(timer.cron, timer.timezone, now)
    return _made_up(timer.missed, runs, now), due


def _made_up(missed: str, runs: list[float], now: float) -> list[float]:
    """Which of several overdue runs are made up for."""
    if missed == "all":
        return runs
    if missed == "skip":
        return [run for run in runs[-1:] if now - run <= GRACE_SECONDS]
    return runs[-1:]


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
    )
