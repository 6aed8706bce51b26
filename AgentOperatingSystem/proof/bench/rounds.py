"""Who runs what, and how often: every contestant in every round, each run in a process of its own, A B A B.

Fed by `__main__` and the `aos bench` command; starts `child` for each run; hands what came back to `report`. Runs one
after the other, so that no contestant has to share the machine with another; a machine's mood changes within minutes,
so only runs of one round are compared with each other.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import AgentOperatingSystem
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput
from AgentOperatingSystem.proof.bench import fsyncs, report
from AgentOperatingSystem.proof.bench.child import MODULE_MISSING, Order
from AgentOperatingSystem.proof.bench.contestant import Entry
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN, entries_named
from AgentOperatingSystem.proof.bench.runner import SECONDS_MAX
from AgentOperatingSystem.proof.bench.scenarios import MANY_SLEEPERS, Scenario, scenarios_named
from AgentOperatingSystem.proof.bench.work import ContestantFailed

EVENTS = 20_000
ROUNDS = 3
TRACED_EVENTS_MAX = 2_000
CHILD_SECONDS_MAX = 900


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured."""

    only: Sequence[str] = ()
    """Scenarios by name; all if empty."""
    contestants: Sequence[str] = ()
    """Contestants by name; all if empty."""
    events: int = EVENTS
    """Measured events of one run at most."""
    seconds_max: float = SECONDS_MAX
    """A run that has not come to its end by then ends."""
    rounds: int = ROUNDS
    sleepers: int = MANY_SLEEPERS
    """Agents in the store in `sleeping`."""
    folder: Path = Path(".aos/bench")
    """Where the contestants' files lie while they run. Memory disks make fsyncs free, so a real disk belongs here."""
    entries: Sequence[Entry] = BUILT_IN
    """Everyone who may be named."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the contestants' processes find in their environment beside what is there."""
    traced: bool = True
    """Whether system calls are counted too, in a run of their own."""

    def check(self) -> None:
        """Raises InvalidInput for a number that makes no sense."""
        for name in ("events", "seconds_max", "rounds", "sleepers"):
            if getattr(self, name) <= 0:
                raise InvalidInput(f"{name} must be above 0, not {getattr(self, name)}")


def benchmark(plan: Plan, progress: Callable[[str], None] = lambda line: None) -> report.Report:
    """Runs the plan; `progress` is told each run before it starts.

    Raises InvalidInput for a name or number that makes no sense, ConfigurationError if a contestant's package is
    missing (the message says how to install it), and ContestantFailed if one fails or does not do the work.
    """
    plan.check()
    pairs = [
        (scenario, entry)
        for scenario in scenarios_named(plan.only, plan.sleepers)
        for entry in entries_named(plan.contestants, plan.entries)
        if scenario.name in entry.scenarios
    ]
    runs = [run for number in range(plan.rounds) for run in _round(plan, pairs, f"round {number + 1}", progress)]
    return report.assemble(runs, _fsyncs(plan, pairs, progress), report.machine(plan.folder))


def _round(
    plan: Plan, pairs: Sequence[tuple[Scenario, Entry]], title: str, progress: Callable[[str], None]
) -> Iterator[report.Run]:
    for scenario, entry in pairs:
        progress(f"{title}: {scenario.name} · {entry.name}")
        with _folder(plan) as folder:
            figures = _child(entry, _order(plan, entry, scenario, plan.events, folder), plan.environment)
        yield report.Run(scenario=scenario.name, contestant=entry.name, figures=figures)


def _fsyncs(
    plan: Plan, pairs: Sequence[tuple[Scenario, Entry]], progress: Callable[[str], None]
) -> Mapping[tuple[str, str], float]:
    """Fsyncs per event by scenario and contestant, from one traced run each; empty where nothing may be traced."""
    if not plan.traced or not fsyncs.can_trace():
        return {}
    found = {}
    for scenario, entry in pairs:
        if scenario.name == "sleeping":  # the same as in sleeping_few, after the filling of a large store under strace
            continue
        progress(f"fsyncs: {scenario.name} · {entry.name}")
        found[scenario.name, entry.name] = _traced(plan, scenario, entry)
    return found


def _traced(plan: Plan, scenario: Scenario, entry: Entry) -> float:
    with _folder(plan) as folder:
        trace = Path(folder).with_suffix(".trace")
        try:
            order = _order(plan, entry, scenario, min(plan.events, TRACED_EVENTS_MAX), folder)
            figures = _child(entry, order, plan.environment, fsyncs.tracing(trace))
            return fsyncs.counted(trace.read_text(errors="replace")) / int(figures["events"])
        finally:
            trace.unlink(missing_ok=True)


def _folder(plan: Plan) -> "tempfile.TemporaryDirectory[str]":
    plan.folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=plan.folder.resolve())


def _order(plan: Plan, entry: Entry, scenario: Scenario, events: int, folder: str) -> Order:
    return Order(factory=entry.factory, scenario=scenario, events=events, seconds_max=plan.seconds_max, folder=folder)


def _child(entry: Entry, order: Order, environment: Mapping[str, str], prefix: Sequence[str] = ()) -> dict[str, Any]:
    """Runs the order in a new process and returns its figures."""
    command = [*prefix, entry.python, "-m", "AgentOperatingSystem.proof.bench.child", order.to_json()]
    title = f"{entry.name} in {order.scenario.name}"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**_environment(), **environment}, timeout=CHILD_SECONDS_MAX
        )
    except FileNotFoundError as error:
        raise ConfigurationError(f"{title}: {error.filename} is not there. {entry.install}".rstrip()) from error
    except subprocess.TimeoutExpired as error:
        raise ContestantFailed(f"{title}: not done after {CHILD_SECONDS_MAX} s") from error
    if done.returncode == 0:
        return report.read_figures(done.stdout)
    reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    if done.returncode == MODULE_MISSING:
        raise ConfigurationError(f"{title}: {reason}. {entry.install}".rstrip())
    raise ContestantFailed(f"{title}: {reason}")


def _environment() -> dict[str, str]:
    """The child finds this package where it lies, and the caller's own modules, whichever interpreter it runs in."""
    package_folder = Path(AgentOperatingSystem.__path__[0]).parent
    paths = [str(package_folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
