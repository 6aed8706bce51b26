"""Schedules over HTTP: list, make, cancel."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.door import After, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import ScheduleView, agent_path, schedule_view
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.errors import InvalidSchedule

router = APIRouter(prefix="/api/v1", tags=["schedules"])
SECONDS_MAX = 253_402_300_799.0
"""The last second of the year 9999."""


class ScheduleIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A schedule to make: one of `cron`, `at` and `after_seconds`."""

    name: str
    cron: str = ""
    at: str | float | None = None
    after_seconds: float | None = None
    timezone: str = "UTC"
    missed: str = "once"
    type: str = "aos.schedule"
    data: Any = None


@router.get("/schedules", **documented(page_of=ScheduleView))
async def list_schedules(door: TheDoor, agent: str = "", limit: Limit = 100, after: After = "") -> Response:
    """Schedules of one agent (`name/key`), or of all agents by address."""
    if agent:
        address = door.aos.address(agent)
        found = [schedule_view(address, timer) for timer in await door.aos.schedules.of(address)]
        return answer({"items": found, "after": ""})
    page = await door.aos.schedules.all(door.config.tenant, after, limit)
    return answer({"items": [schedule_view(*each) for each in page.items], "after": page.after})


@router.post("/agents/{name}/schedules", **documented(ScheduleView, body=ScheduleIn, status=201))
async def make_schedule(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Has an agent sent an event at a time, or at every time that a cron expression names. Idempotent by name."""
    said = await read_json(request, ScheduleIn, door)
    agent = door.address(name, key)
    door.check_writable(agent)
    timer, is_new = await door.aos.schedules.put(
        agent,
        said.name,
        at=_due(said, door.aos.clock.now()),
        cron=said.cron,
        timezone=said.timezone,
        missed=said.missed,
        type=said.type,
        data=said.data,
    )
    headers = {"Location": f"{agent_path(agent)}/schedules"} if is_new else None
    return answer(schedule_view(agent, timer), 201 if is_new else 200, headers)


@router.delete("/agents/{name}/schedules/{schedule:path}", **documented(ScheduleView))
async def cancel_schedule(door: TheDoor, name: str, schedule: str, key: Key = "") -> Response:
    """Cancels a schedule and answers what it was."""
    agent = door.address(name, key)
    door.check_writable(agent)
    return answer(schedule_view(agent, await door.aos.schedules.cancel(agent, schedule)))


def _due(said: ScheduleIn, now: float) -> float | None:
    """The time of a single run in UTC seconds. Raises `InvalidSchedule`."""
    if said.at is not None and said.after_seconds is not None:
        raise InvalidSchedule(f"schedule {said.name[:80]!r}: give either at or after_seconds")
    due = now + said.after_seconds if said.after_seconds is not None else _seconds(said.at)
    if due is not None and not 0 <= due <= SECONDS_MAX:
        raise InvalidSchedule(f"schedule {said.name[:80]!r}: {due:g} is no time before the year 10000")
    return due


def _seconds(at: str | float | None) -> float | None:
    if not isinstance(at, str):
        return at
    try:
        return from_iso(at)
    except (ValueError, OverflowError):
        raise InvalidSchedule(f"at={at[:80]!r}: give RFC 3339, such as 2026-01-31T09:00:00Z, or UTC seconds") from None
