"""`python -m AgentOperatingSystem.proof.bench`: the benchmark without the `aos` command."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.proof.bench.contestant import Entry
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN
from AgentOperatingSystem.proof.bench.report import Report
from AgentOperatingSystem.proof.bench.rounds import Plan, benchmark
from AgentOperatingSystem.proof.bench.scenarios import ALL


def parser(entries: Sequence[Entry]) -> argparse.ArgumentParser:
    """The command line; each option is a field of `Plan`."""
    made = argparse.ArgumentParser(
        prog="bench", description="Measure the same durable work on every contestant, side by side."
    )
    names = ", ".join(entry.name for entry in entries)
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    made.add_argument("--only", type=_names, default=(), metavar="NAMES", help=f"scenarios: {', '.join(ALL)}")
    made.add_argument("--contestants", type=_names, default=(), metavar="NAMES", help=f"contestants: {names}")
    made.add_argument("--events", type=int, default=Plan.events, metavar="N", help="measured events of a run at most")
    made.add_argument("--seconds", type=float, default=Plan.seconds_max, metavar="N", help="seconds of a run at most")
    made.add_argument("--rounds", type=int, default=Plan.rounds, metavar="N", help="runs of each, interleaved")
    made.add_argument(
        "--sleepers", type=int, default=Plan.sleepers, metavar="N", help="agents in the store in sleeping"
    )
    made.add_argument(
        "--data", type=Path, default=Plan.folder, metavar="DIR", help="where the files lie, on a real disk"
    )
    return made


def main(arguments: Sequence[str] | None = None, entries: Sequence[Entry] = BUILT_IN) -> int:
    """Runs the command line and returns the exit status: 0, or 2 with one line that says what was wrong."""
    chosen = parser(entries).parse_args(arguments)
    plan = Plan(
        only=chosen.only,
        contestants=chosen.contestants,
        events=chosen.events,
        seconds_max=chosen.seconds,
        rounds=chosen.rounds,
        sleepers=chosen.sleepers,
        folder=chosen.data,
        entries=entries,
    )
    try:
        report = benchmark(plan, _say)
    except AOSError as error:
        _say(f"bench: {error}")
        return 2
    _print(report, as_json=chosen.json)
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    from rich.console import Console

    from AgentOperatingSystem.proof.bench.table import tables

    console = Console()
    for table in tables(report):
        console.print(table)
    console.print(report["machine"])


if __name__ == "__main__":
    sys.exit(main())
