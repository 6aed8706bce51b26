"""Runs one contestant through one scenario, in this process, and returns what it cost.

`child` calls `run` in a process that has nothing else to do, because memory and CPU are those of the whole process.
"""

import asyncio
import math
import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from AgentOperatingSystem.proof.bench.contestant import Contestant
from AgentOperatingSystem.proof.bench.fsyncs import mark
from AgentOperatingSystem.proof.bench.process import cpu_seconds, resident_mebibytes
from AgentOperatingSystem.proof.bench.scenarios import Scenario
from AgentOperatingSystem.proof.bench.work import ContestantFailed, Ledger, Sent

SECONDS_MAX = 4.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run cost, warming up left out."""

    events: int
    events_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    rss_mb: float | None
    """Resident memory of the process at the end, in MiB; None where the system does not tell it."""
    cpu_ms_per_event: float
    """User and system time of all threads of the process."""
    fsyncs: float | None
    """What the contestant counted itself; None if it does not count."""
    counted: Mapping[str, float] = field(default_factory=dict)
    """What else it counted, such as requests."""


@dataclass(frozen=True)
class _Reading:
    clock: float
    cpu: float
    counters: Mapping[str, float]


async def run(
    contestant: Contestant, scenario: Scenario, events: int, folder: Path, seconds_max: float = SECONDS_MAX
) -> Result:
    """Measures at most `events` events and about `seconds_max` seconds, then checks that each was applied exactly once.

    Raises ContestantFailed if one was lost or applied twice, and whatever the contestant raises.
    """
    try:
        await contestant.start(folder, scenario.agents)
        return await _measured(contestant, scenario, events, folder, seconds_max)
    finally:
        await contestant.stop()


async def _measured(
    contestant: Contestant, scenario: Scenario, events: int, folder: Path, seconds_max: float
) -> Result:
    warming, measuring = scenario.planned(events)
    stream, ledger = scenario.stream(warming + measuring), Ledger()
    await _drive(contestant, scenario.in_flight, [next(stream) for _ in range(warming)], ledger, math.inf)
    mark(folder, "begin")
    before = _read(contestant)
    deadline = before.clock + seconds_max
    if scenario.per_second:
        latencies = await _pace(contestant, scenario.per_second, stream, ledger, deadline)
    else:
        latencies = await _drive(contestant, scenario.in_flight, stream, ledger, deadline)
    after, resident = _read(contestant), resident_mebibytes()
    mark(folder, "end")
    for agent_number in ledger.agent_numbers:
        ledger.judge(agent_number, await contestant.state(agent_number))
    return _result(before, after, sorted(latencies), resident)


async def _drive(
    contestant: Contestant, in_flight: int, stream: Iterable[Sent], ledger: Ledger, deadline: float
) -> "array[float]":
    """Lets `in_flight` callers share the stream, and returns each event's latency in seconds."""
    latencies, sent_events = array("d"), iter(stream)

    async def caller() -> None:
        for sent in sent_events:
            started = time.perf_counter()
            result = await contestant.process(*sent)
            ended = time.perf_counter()
            latencies.append(ended - started)
            ledger.note(sent.agent_number, result)
            if ended > deadline:
                return

    try:
        async with asyncio.TaskGroup() as callers:
            for _ in range(in_flight):
                callers.create_task(caller())
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return latencies


async def _pace(
    contestant: Contestant, per_second: float, stream: Iterable[Sent], ledger: Ledger, deadline: float
) -> "array[float]":
    """Sends the stream at a steady pace, and returns how long after it was due each event had its result."""
    latencies, began = array("d"), time.perf_counter()

    async def one(sent: Sent, due: float) -> None:
        ledger.note(sent.agent_number, await contestant.process(*sent))
        latencies.append(time.perf_counter() - due)

    try:
        async with asyncio.TaskGroup() as callers:
            for number, sent in enumerate(stream):
                due = began + number / per_second
                if due > deadline:
                    break
                await asyncio.sleep(due - time.perf_counter())
                callers.create_task(one(sent, due))
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return latencies


def _read(contestant: Contestant) -> _Reading:
    return _Reading(time.perf_counter(), cpu_seconds(), dict(contestant.counters()))


def _result(before: _Reading, after: _Reading, latencies: list[float], resident: float | None) -> Result:
    count = len(latencies)
    if not count:
        raise ContestantFailed("no event was measured: ask for at least one")
    counts = "fsyncs" in after.counters
    return Result(
        events=count,
        events_per_second=count / (after.clock - before.clock),
        p50_ms=1e3 * percentile(latencies, 0.50),
        p95_ms=1e3 * percentile(latencies, 0.95),
        p99_ms=1e3 * percentile(latencies, 0.99),
        rss_mb=resident,
        cpu_ms_per_event=1e3 * (after.cpu - before.cpu) / count,
        fsyncs=after.counters["fsyncs"] - before.counters.get("fsyncs", 0) if counts else None,
        counted={
            name: total - before.counters.get(name, 0) for name, total in after.counters.items() if name != "fsyncs"
        },
    )


def percentile(ordered: list[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
