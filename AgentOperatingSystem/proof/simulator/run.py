"""Many worlds, over all cores: what `aos faults --seeds` runs."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b

from AgentOperatingSystem.proof.report import Report
from AgentOperatingSystem.proof.simulator.simulation import Outcome, simulate

LINES_MAX = 3
"""How many lines of one seed a report shows."""


def run(
    seeds: int, first_seed: int = 0, processes: int | None = None, worlds: Sequence[bool] = (False, True)
) -> Report:
    """Simulates both worlds of each seed from `first_seed` on, without steps and with steps (or those that `worlds`
    names), and counts. The same seeds and code give the same report.

    `processes` defaults to the number of cores.
    """
    wanted = range(first_seed, first_seed + seeds)
    return _report(_outcomes(wanted, min(processes or os.cpu_count() or 1, max(1, seeds)), worlds))


def _outcomes(seeds: range, processes: int, worlds: Sequence[bool]) -> Iterator[Outcome]:
    """In the order of the seeds."""
    wanted = [(seed, steps) for seed in seeds for steps in worlds]
    if processes == 1:
        yield from map(_world, wanted)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        yield from pool.map(_world, wanted, chunksize=max(1, min(16, len(wanted) // (4 * processes))))


def _world(which: tuple[int, bool]) -> Outcome:
    return simulate(which[0], steps=which[1])


def _report(outcomes: Iterable[Outcome]) -> Report:
    kinds: Counter[str] = Counter()
    done: Counter[str] = Counter()
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
        done.update(outcome.seen)
        failures += replays(outcome)
    report["faults"], report["by_kind"], report["hash"] = sum(kinds.values()), dict(kinds), digest.hexdigest()
    if any(done.values()):
        report["done"] = dict(done)
    if failures:
        report["failures"] = failures
    return report


def replays(outcome: Outcome) -> Iterator[str]:
    """One line for each thing that was found wrong in a world, with the command that shows it again."""
    for line in outcome.verdict.all()[:LINES_MAX]:
        which = f"{outcome.seed} --steps" if outcome.seen else f"{outcome.seed}"
        yield f"seed {which}: {line} (replay: python -m AgentOperatingSystem.proof.simulator {which})"
