"""Did every timer run when it had to, and no oftener? Pure."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from AgentOperatingSystem.agents.timers import next_run
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.simulator.actions import actions_of
from AgentOperatingSystem.proof.simulator.judge import Final
from AgentOperatingSystem.storage.records import Control, Status

SLACK_SECONDS = 5.0
"""A run that was due so shortly before its cancellation may go either way."""


def timer_faults(agent: AgentId, final: Final) -> Iterator[tuple[str, str]]:
    """Pairs of `lost` or `applied_twice` and what it is."""
    runs = _runs(agent, final)
    actions = [action for row in final.rows.values() if row.status is Status.DONE for action in actions_of(row.event)]
    whole = final.head.control is not Control.TERMINATED
    for name, asked in Counter(action[1] for action in actions if action[0] == "timer").items():
        yield from _between(f"{agent} timer {name}", len(runs.get(name, ())), asked, whole=whole)
    yield from _alarms(agent, actions, runs, whole=whole)
    for name, created in final.state.get("crons", {}).items():
        cron = next(action[2] for action in actions if action[0] == "cron" and action[1] == name)
        cancelled = final.state.get("cancelled", {}).get(name)
        if whole and cancelled is not None:
            yield from _every(f"{agent} cron {name}", cron, created, cancelled, runs.get(name, []))


def _runs(agent: AgentId, final: Final) -> dict[str, list[float]]:
    """Due times of the runs that there were, by timer."""
    runs: dict[str, list[float]] = {}
    for row in final.rows.values():
        if row.event.source == f"/agents/{agent}/timers":
            runs.setdefault(row.event.subject, []).append(from_iso(row.event.id.rpartition("@")[2]))
    return runs


def _between(what: str, times: int, asked: int, *, whole: bool) -> Iterator[tuple[str, str]]:
    """At least one run, and no more than were asked for: one that is asked for again before its time replaces it."""
    if times > asked:
        yield "applied_twice", f"{what}: {times} runs"
    elif not times and whole:
        yield "lost", f"{what}: no run"


def _alarms(
    agent: AgentId, actions: list[list[Any]], runs: dict[str, list[float]], *, whole: bool
) -> Iterator[tuple[str, str]]:
    """Alarms that were set to one time, however often, run once at that time."""
    asked: dict[str, Counter[float]] = {}
    for action in actions:
        if action[0] == "at":
            asked.setdefault(action[1], Counter())[action[2]] += 1
    for name, times in asked.items():
        if len(times) == 1:
            yield from _between(f"{agent} alarm {name}", len(runs.get(name, ())), 1, whole=whole)


def _every(what: str, cron: str, created: float, cancelled: float, runs: list[float]) -> Iterator[tuple[str, str]]:
    """A schedule runs at each of its times between its making and its cancelling."""
    due = next_run(cron, "UTC", created)
    ran = Counter(runs)
    while due <= cancelled - SLACK_SECONDS:
        if not ran[due]:
            yield "lost", f"{what}: no run at {due}"
        due = next_run(cron, "UTC", due)
    for moment, times in ran.items():
        if times > 1:
            yield "applied_twice", f"{what}: {times} runs at {moment}"
