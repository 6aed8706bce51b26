"""`aos doctor`, `bench`, `faults`, `version`: what can be checked on this machine, in minutes, with numbers."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import CARE, SYSTEM, app
from AgentOperatingSystem.cli.command import App, Data, Token, Url, command, finish
from AgentOperatingSystem.cli.exits import FAILED, OK
from AgentOperatingSystem.cli.output import Output, Table, as_json, note, pairs
from AgentOperatingSystem.errors import InvalidInput

WORLDS = 100


@command(app, "doctor", CARE)
def doctor(
    out: Output,
    url: Url = None,
    token: Token = None,
    folder: Data = None,
    agents: App = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the model once too; its provider may bill it.")] = False,
) -> None:
    """Check what is configured and what is reachable, and say what to do; exit code 1 where something is wrong."""
    from AgentOperatingSystem.cli.doctor import examine

    report = examine(url, token, folder, agents, online)
    rows = ((finding.status.upper(), finding.name, finding.detail) for finding in report.findings)
    advice = [f"{finding.name}: {finding.advice}" for finding in report.findings if finding.advice]
    given = [f"{setting.name} = {setting.value}  ({setting.origin})" for setting in report.settings]
    out.show(
        report.document(),
        Table(("", "WHAT", "FOUND"), rows),
        "\n".join(["", "configured:", *(f"  {line}" for line in given)] if given else ["", "nothing is configured"]),
        *(["", "to do:", *(f"  {line}" for line in advice)] if advice else []),
    )
    finish(OK if report.is_well else FAILED)


@command(app, "bench", CARE)
def bench(
    out: Output,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="NAMES",
            help="Loads: many,hot,single,sleeping,team,teams,steps,runaways,import [all]; or retrieval, or inference.",
        ),
    ] = "",
    contestants: Annotated[str, typer.Option("--contestants", metavar="NAMES", help="Who takes part [all].")] = "",
    events: Annotated[int | None, typer.Option("--events", help="Measured events of one run at most.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Seconds of one run at most.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", help="Runs of each, one after the other.")] = None,
    sleepers: Annotated[
        int | None, typer.Option("--sleepers", help="Agents in the store, for the load `sleeping`.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where the files lie, on a real disk.")
    ] = None,
    store: Annotated[
        str, typer.Option("--store", metavar="NAME", help="What keeps state: embedded or azurite.")
    ] = "embedded",
) -> None:
    """Measure this system on this machine, beside the disk's own limit and others that do the same work.

    `--store azurite` measures many, hot and single on tables, beside the vendor's SDK alone, on the storage account
    that is configured, or on an emulator that it starts.

    `--only retrieval` measures how well the knowledge base finds, in a checkout; `--only inference`, in virtual time, a
    thousand agents at a GPU endpoint that serves eight at once.
    """
    if _names(only) == ("retrieval",):
        _bench_retrieval(out)
        return
    if _names(only) == ("inference",):
        _bench_inference(out)
        return
    from AgentOperatingSystem.proof.bench.rounds import Plan, benchmark
    from AgentOperatingSystem.proof.bench.table import tables

    numbers = {"events": events, "seconds_max": seconds, "rounds": rounds, "sleepers": sleepers, "folder": folder}
    chosen: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    plan = Plan(only=_names(only), contestants=_names(contestants), **chosen)
    if _store(store) == "azurite":
        from AgentOperatingSystem.proof.bench.on_azurite import benchmark_azurite

        report = benchmark_azurite(plan, note)
    else:
        report = benchmark(plan, note)
    if out.as_json:
        out.show(report)
        return
    from rich.console import Console

    console = Console()
    for table in tables(report):
        console.print(table)
    console.print(as_json(report["machine"]), markup=False, highlight=False)


def _bench_retrieval(out: Output) -> None:
    import asyncio

    from AgentOperatingSystem.proof.bench import retrieval

    report = asyncio.run(retrieval.measure())
    if out.as_json:
        out.show(report)
        return
    from rich.console import Console

    Console().print(retrieval.table(report))


def _bench_inference(out: Output) -> None:
    from AgentOperatingSystem.proof.gpu import crowd

    report = crowd.measure()
    if out.as_json:
        out.show(report)
        return
    from rich.console import Console

    Console().print(crowd.table(report))


@command(app, "faults", CARE)
def faults(
    out: Output,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=0, help="Simulated worlds, with many faults each, in virtual time [100]."),
    ] = None,
    kill: Annotated[int, typer.Option("--kill", min=0, help="Real kills, with SIGKILL, of a process at work.")] = 0,
    refunds: Annotated[
        int, typer.Option("--refunds", min=0, help="Real kills of a team that gives money back (needs AutoGen).")
    ] = 0,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Real kills of a host that waits for GPU jobs, each submitted once.")
    ] = 0,
    stack: Annotated[
        int,
        typer.Option(
            "--stack", min=0, help="Real kills of a whole deployment: Functions hosts, a worker, the broker, Azurite."
        ),
    ] = 0,
    plain: Annotated[
        bool, typer.Option("--plain", help="With --refunds: the same kills on AutoGen alone, for comparison.")
    ] = False,
    first: Annotated[int, typer.Option("--first", min=0, help="The first seed; the same seeds break the same.")] = 0,
    store: Annotated[
        str,
        typer.Option(
            "--store", metavar="NAME", help="What keeps state where processes are killed: embedded or azurite."
        ),
    ] = "embedded",
) -> None:
    """Break things on purpose, and count what is lost, applied twice or left behind; exit code 1 where anything is.

    With --kill, --refunds, --jobs or --stack alone, nothing is simulated. With --store azurite, state lies in tables
    and messages in a queue, on the storage account that is configured, or on an emulator that it starts; what is killed
    is the app.
    """
    from AgentOperatingSystem.cli.faults import break_things, is_broken

    if seeds is None:
        seeds = 0 if kill or refunds or jobs or stack else WORLDS
    if not seeds and not kill and not refunds and not jobs and not stack:
        raise InvalidInput("nothing to do: give --seeds, --kill, --refunds, --jobs, --stack, or none of them")
    with _account("azurite" if stack else store) as storage:
        report = break_things(seeds, kill, refunds, first, jobs=jobs, stack=stack, plain=plain, storage=storage)
    compared = report.get("plain_autogen")
    figures = {name: value for name, value in report.items() if name not in ("by_kind", "failures", "plain_autogen")}
    out.show(
        report,
        pairs(figures),
        *([pairs({f"plain AutoGen: {name}": value for name, value in compared.items()})] if compared else []),
        Table(("FAULT", "TIMES"), sorted(report["by_kind"].items())),
        *report.get("failures", []),
    )
    finish(FAILED if is_broken(report) else OK)


@command(app, "version", SYSTEM)
def version(out: Output) -> None:
    """Show which version this is, and on what it runs."""
    import platform
    import sqlite3

    from AgentOperatingSystem import __version__

    found = {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
        "executable": sys.executable,
    }
    out.show(found, f"aos {__version__} (Python {found['python']}, SQLite {found['sqlite']}, {found['platform']})")


@contextmanager
def _account(store: str) -> Iterator[str]:
    """The connection string of the store that is named; empty for the embedded one."""
    if _store(store) == "embedded":
        yield ""
        return
    from AgentOperatingSystem.proof import azurite

    with tempfile.TemporaryDirectory(prefix="aos-azurite-") as folder, azurite.account(Path(folder)) as text:
        yield text


def _store(name: str) -> str:
    if name not in ("embedded", "azurite"):
        raise InvalidInput(f"no store {name!r} to check here; there are embedded and azurite")
    return name


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
