"""The parent: one life after the other, each killed on the way of a GPU job, and the judge of what they left behind.

The workspace runs here, in a thread, so that it outlives every host. Kill points go round: before and after each commit
of an event's way, and on either side of the submission.
"""

import asyncio
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from AgentOperatingSystem.proof.gpu.endpoint import Service, serving
from AgentOperatingSystem.proof.refunds.processes import forked
from AgentOperatingSystem.proof.report import Report

CHILD = "AgentOperatingSystem.proof.gpu.child"
ENDPOINTS = "endpoints.json"
JOB_SECONDS = 0.08
COMMITS = 6
"""Commits on the way of one event: its claim with the submission, its wait, each poll, its end."""
INSIDE = ("in submit, before it acts", "in submit, after it acted")
POINTS = (
    *((f"{when} commit", number) for number in range(1, COMMITS + 1) for when in ("before", "after")),
    *((point, 1) for point in INSIDE),
)


def run_jobs(kills: int, *, seed: int = 0, folder: Path | None = None) -> Report:
    """Kills hosts `kills` times while they have GPU jobs submitted and waited for, and judges: one job for each event,
    and every event at its end with what its job came to.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="aos-gpu-") as made:
            return run_jobs(kills, seed=seed, folder=Path(made))
    (folder / ENDPOINTS).write_text(json.dumps({"jobs": {"train": {"jobType": "Command", "command": "train.py"}}}))
    with _workspace() as service:
        struck, events, failures = _lives(kills, seed, folder, service)
        by_event = Counter(job["properties"]["inputs"]["data"]["value"] for job in service.jobs.values())
        failures += [f"{data}: {count} jobs were submitted" for data, count in by_event.items() if count > 1]
        missing = [f"d-{number}" for number in range(events) if not by_event[f"d-{number}"]]
        report = Report(
            faults=struck.total(),
            events=events,
            lost=len(missing),
            applied_twice=sum(count - 1 for count in by_event.values()),
            stuck=sum("did not come to its end" in failure for failure in failures),
            hash=sha256(repr(sorted(service.jobs)).encode()).hexdigest()[:16],
            by_kind=dict(sorted(struck.items())),
            kills=struck.total(),
            done={"jobs": len(service.jobs), "submissions": service.puts.total()},
        )
    if failures:
        report["failures"] = [f"{each}; again: aos faults --jobs {kills} --first {seed}" for each in failures]
    return report


def _lives(kills: int, seed: int, folder: Path, service: Service) -> tuple[Counter[str], int, list[str]]:
    """Until all kills have struck and every event has ended: which struck, how many events there were, what failed."""
    from AgentOperatingSystem.proof.gpu.child import live

    struck: Counter[str] = Counter()
    failures: list[str] = []
    events, open_event, turn = 0, None, seed
    while struck.total() < kills or open_event is not None:
        fresh = events if struck.total() < kills else None
        trap = POINTS[turn % len(POINTS)]
        turn += 1
        words = forked(live, folder, service.url, open_event, fresh, trap, preload=CHILD)
        said = {word: well for word, _, well in words}
        if open_event is not None and not said.get("ended"):
            failures.append(f"d-{open_event} did not come to its end")
        open_event = None
        if fresh is not None:
            events += 1
            open_event = None if "survived" in said else fresh
            if open_event is not None:
                struck[f"{trap[0]} {trap[1]}"] += 1
            elif not said["survived"]:
                failures.append(f"d-{fresh} did not come to its end well")
    return struck, events, failures


@contextmanager
def _workspace() -> Iterator[Service]:
    """A workspace in a thread of its own."""
    service, loop, there = Service(job_seconds=JOB_SECONDS), asyncio.new_event_loop(), threading.Event()
    over: asyncio.Event = asyncio.Event()

    async def run() -> None:
        async with serving(service):
            there.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    there.wait()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
