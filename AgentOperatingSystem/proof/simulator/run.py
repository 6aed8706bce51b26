"""Many worlds, over all cores: what `aos faults --seeds` runs."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b

from AgentOperatingSystem.proof.report import Report
from AgentOperatingSystem.proof.simulator.simulation import Outcome, simulate

LINES_MAX = 3
"""How many lines of one seed a report shows."""


def run(seeds: int, first_seed: int = 0, processes: int | None = None) -> Report:
    """Simulates `seeds` worlds from `first_seed` on, and counts. The same seeds and code give the same report.

    `processes` defaults to the number of cores.
    """
    wanted = range(first_seed, first_seed + seeds)
    return _report(_outcomes(wanted, min(processes or os.cpu_count() or 1, max(1, seeds))))


def _outcomes(seeds: range, processes: int) -> Iterator[Outcome]:
    """In the order of the seeds."""
    if processes == 1:
        yield from map(simulate, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        yield from pool.map(simulate, seeds, chunksize=max(1, min(16, len(seeds) // (4 * processes))))


def _report(outcomes: Iterable[Outcome]) -> Report:
    kinds: Counter[str] = Counter()
    report = Report(faults=0, events=0, lost=0, applied_twice=0, stuck=0, hash="", by_kind={})
    digest, failures = blake2b(digest_size=16), list[str]()
    for outcome in outcomes:
        verdict = outcome.verdict
        report["events"] += verdict.events
        report["lost"] += len(verdict.lost)
        report["applied_twice"] += len(verdict.applied_twice)
        report["stuck"] += len(verdict.stuck)
        digest.update(outcome.digest.encode())
        kinds.update(outcome.counts)
        failures += replays(outcome)
    report["faults"], report["by_kind"], report["hash"] = sum(kinds.values()), dict(kinds), digest.hexdigest()
    if failures:
        report["failures"] = failures
    return report


def replays(outcome: Outcome) -> Iterator[str]:
    """One line for each thing that was found wrong in a world, with the command that shows it again."""
    for line in outcome.verdict.all()[:LINES_MAX]:
        yield f"seed {outcome.seed}: {line} (replay: python -m AgentOperatingSystem.proof.simulator {outcome.seed})"
