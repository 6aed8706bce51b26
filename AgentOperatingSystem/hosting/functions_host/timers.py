"""Timer triggers: each runs its function whenever its NCRONTAB schedule is due, one run at a time.

Started by `host.py`. A run that is missed because the one before is still under way is not made up for.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from croniter import croniter

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import ConfigurationError

SLEEP_SECONDS_MAX = 60.0
"""A machine that was asleep notices within this time."""


def check(schedule: str) -> None:
    """Raises `ConfigurationError` for what is no NCRONTAB expression of five or six fields."""
    if len(schedule.split()) not in (5, 6) or not croniter.is_valid(schedule, second_at_beginning=True):
        raise ConfigurationError(f"{schedule!r} is no NCRONTAB schedule, such as '0 */5 * * * *'")


def following(schedule: str, now: float) -> float:
    """The first time after `now` at which the schedule is due, in UTC seconds."""
    moment = croniter(schedule, datetime.fromtimestamp(now, UTC), second_at_beginning=True).get_next(datetime)
    return float(moment.timestamp())


async def run(schedule: str, clock: Clock, tick: Callable[[], Awaitable[object]]) -> None:
    """Ticks for ever."""
    check(schedule)
    while True:
        due = following(schedule, clock.now())
        while (left := due - clock.now()) > 0:
            await clock.sleep(min(left, SLEEP_SECONDS_MAX))
        await tick()
