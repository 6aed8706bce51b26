"""From single runs to the figures that are quoted: medians with their spread, and ratios within a round.

Fed by `rounds`; its result is printed as JSON, or by `table`. Pure but for `machine`, which asks the machine what it
is.
"""

import json
import os
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from AgentOperatingSystem.proof.bench.scenarios import STEPS

FIGURES = ("events_per_second", "p50_ms", "p95_ms", "p99_ms", "rss_mb", "cpu_ms_per_event")

OVERHEAD = "ms_per_step"
BARE = "_bare"
"""How the names of contestants end that have no journal."""
Report = dict[str, Any]
"""scenario → contestant → figures; `ratios`: what is compared → its sides → median, min, max; `machine`; and
`ms_per_step`: contestant → median, min, max."""

Runs = Sequence[Mapping[str, Any]]
"""The figures of one contestant in one scenario, round by round."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run's figures, as `runner.Result` has them."""

    scenario: str
    contestant: str
    figures: Mapping[str, Any]


def read_figures(standard_output: str) -> dict[str, Any]:
    """What a child printed: the figures are its last line, whatever a contestant's libraries said before."""
    figures: dict[str, Any] = json.loads(standard_output.strip().splitlines()[-1])
    return figures


def assemble(runs: Sequence[Run], traced: Mapping[tuple[str, str], float], machine: Mapping[str, object]) -> Report:
    """The report. `traced` has fsyncs per event by scenario and contestant, where system calls could be counted."""
    by_scenario: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for run in runs:
        by_scenario.setdefault(run.scenario, {}).setdefault(run.contestant, []).append(run.figures)
    report: Report = {
        scenario: {
            name: {**summary(figures), **fsyncs_per_event(figures, traced.get((scenario, name)))}
            for name, figures in contestants.items()
        }
        for scenario, contestants in by_scenario.items()
    }
    return {
        **report,
        "ratios": ratios(by_scenario),
        **overheads(by_scenario),
        "machine": dict(machine),
    }


def summary(figures: Runs) -> dict[str, Any]:
    """Medians over the rounds, and the smallest and the largest of each figure."""
    values = {name: [run[name] for run in figures if run[name] is not None] for name in FIGURES}
    return {
        **{name: rounded(median(known)) if known else None for name, known in values.items()},
        "events": sum(run["events"] for run in figures),
        "rounds": len(figures),
        "spread": {name: [rounded(min(known)), rounded(max(known))] for name, known in values.items() if known},
        **{f"{name}_per_event": rounded(count) for name, count in counted_per_event(figures).items()},
    }


def counted_per_event(figures: Runs) -> dict[str, float]:
    """What a contestant counted itself beside fsyncs, such as requests to a service: medians over the rounds."""
    names = figures[0].get("counted", {})
    return {name: median([run["counted"][name] / run["events"] for run in figures]) for name in names}


def fsyncs_per_event(figures: Runs, traced: float | None) -> dict[str, Any]:
    """The count and who counted: strace, else the contestant itself, else nobody (no keys)."""
    if traced is not None:
        return {"fsyncs_per_event": rounded(traced), "fsyncs_counted_by": "strace"}
    own = [run["fsyncs"] / run["events"] for run in figures if run["fsyncs"] is not None]
    return {"fsyncs_per_event": rounded(median(own)), "fsyncs_counted_by": "contestant"} if own else {}


def ratios(by_scenario: Mapping[str, Mapping[str, Runs]]) -> dict[str, dict[str, dict[str, float]]]:
    """Under a scenario's name, how many times as many events per second the first contestant does as each other; under
    `wake`, how many times as long it takes each to wake one of many sleeping agents (p50) as one of few; under
    `neighbour`, how many times as long a neighbour waits (p95) beside each runaway as it does alone."""
    compared = {scenario: _against_others(contestants) for scenario, contestants in by_scenario.items()}
    few, many = by_scenario.get("sleeping_few"), by_scenario.get("sleeping")
    if few and many:
        compared["wake"] = {name: _ratio("p50_ms", many[name], few[name]) for name in many}
    if "runaways" in by_scenario:
        (alone, calm), *others = by_scenario["runaways"].items()
        compared["neighbour"] = {f"{name}/{alone}": _ratio("p95_ms", runs, calm) for name, runs in others}
    return compared


def overheads(by_scenario: Mapping[str, Mapping[str, Runs]]) -> dict[str, dict[str, dict[str, float]]]:
    """Under `ms_per_step`, what the journal adds to each step of an event: the difference of the medians (p50) with it
    and without it, round by round, by the number of steps. Empty where nobody ran without."""
    found: dict[str, dict[str, float]] = {}
    for scenario, steps in STEPS.items():
        contestants = by_scenario.get(scenario, {})
        bare = next((runs for name, runs in contestants.items() if name.endswith(BARE)), None)
        for name, runs in contestants.items() if bare is not None else ():
            if bare is not None and runs is not bare:
                pairs = zip(runs, bare, strict=True)
                found[name] = _spread([(with_it["p50_ms"] - without["p50_ms"]) / steps for with_it, without in pairs])
    return {OVERHEAD: found} if found else {}


def _against_others(contestants: Mapping[str, Runs]) -> dict[str, dict[str, float]]:
    subject, *others = contestants
    return {
        f"{subject}/{other}": _ratio("events_per_second", contestants[subject], contestants[other]) for other in others
    }


def _ratio(figure: str, upper: Runs, lower: Runs) -> dict[str, float]:
    """Round by round, because the machine's mood changes between the rounds."""
    return _spread([above[figure] / below[figure] for above, below in zip(upper, lower, strict=True)])


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": rounded(median(values)), "min": rounded(min(values)), "max": rounded(max(values))}


def rounded(value: float) -> float:
    """Four significant digits: more would only look exact."""
    return float(f"{value:.4g}")


def machine(folder: Path) -> dict[str, object]:
    """What the figures were taken on; `fsync_ms` says whether `folder` lies on a disk that really syncs."""
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "fsync_ms": rounded(fsync_ms(folder)),
    }


def fsync_ms(folder: Path) -> float:
    """The median time of an fsync after 4 KiB were appended to a file in the folder."""
    probe, times = folder / "fsync.probe", []
    with probe.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    probe.unlink()
    return 1e3 * median(times)
