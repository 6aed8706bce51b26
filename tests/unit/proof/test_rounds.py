"""Whole rounds with a few events, each run in a process of its own. No speed is tested here."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from AgentOperatingSystem.errors import AOSError, ConfigurationError, InvalidInput
from AgentOperatingSystem.proof.bench.__main__ import main
from AgentOperatingSystem.proof.bench.contestant import Entry, make
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN
from AgentOperatingSystem.proof.bench.report import FIGURES
from AgentOperatingSystem.proof.bench.rounds import Plan, benchmark
from AgentOperatingSystem.proof.bench.scenarios import ALL
from AgentOperatingSystem.proof.bench.table import tables
from AgentOperatingSystem.proof.bench.work import ContestantFailed

HERE = "tests.unit.proof.runtimes"
RIGHT = Entry(name="in_memory", factory=f"{HERE}:InMemory", scenarios=ALL)


def entry(class_name: str, **others: Any) -> Entry:
    return Entry(name="wrong", factory=f"{HERE}:{class_name}", **others)


def plan(folder: Path, *entries: Entry, **others: Any) -> Plan:
    return Plan(folder=folder, entries=entries, **{"only": ["single"], "rounds": 1, "events": 20, **others})


def test_a_report_is_keyed_by_scenario_and_contestant(tmp_path: Path) -> None:
    report = benchmark(plan(tmp_path, RIGHT, entry("Talking"), only=["many", "hot"], rounds=2))
    assert set(report) == {"many", "hot", "ratios", "machine"}
    assert list(report["hot"]) == ["in_memory", "wrong"]
    for figures in (*report["many"].values(), *report["hot"].values()):
        assert set(FIGURES) <= set(figures)
        assert (figures["events"], figures["rounds"]) == (40, 2)
    assert list(report["ratios"]["many"]) == ["in_memory/wrong"]
    assert json.loads(json.dumps(report)) == report
    assert list(tmp_path.iterdir()) == []


def test_contestants_take_turns(tmp_path: Path) -> None:
    said: list[str] = []
    benchmark(plan(tmp_path, RIGHT, entry("InMemory"), rounds=2), said.append)
    runs = [line for line in said if line.startswith("round")]
    assert runs == [
        "round 1: single · in_memory",
        "round 1: single · wrong",
        "round 2: single · in_memory",
        "round 2: single · wrong",
    ]


def test_who_has_no_store_does_not_sleep(tmp_path: Path) -> None:
    report = benchmark(plan(tmp_path, RIGHT, entry("InMemory"), only=["sleeping"], sleepers=50))
    assert list(report["sleeping"]) == list(report["sleeping_few"]) == list(report["ratios"]["wake"]) == ["in_memory"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (entry("Swallowing"), ContestantFailed, "wrong in single: agent 0 answered 21 events with counts"),
        (entry("Broken"), ContestantFailed, "wrong in single: RuntimeError: the disk is on fire"),
        (entry("Absent"), ContestantFailed, "runtimes has no Absent"),
        (
            Entry(name="wrong", factory="not_installed_anywhere:It", install="pip install it"),
            ConfigurationError,
            "wrong in single: No module named 'not_installed_anywhere'. pip install it",
        ),
        (
            entry("InMemory", python="/no/such/python", install="make it"),
            ConfigurationError,
            "wrong in single: /no/such/python is not there. make it",
        ),
    ],
)
def test_who_cannot_do_the_work_is_named(wrong: Entry, error: type[AOSError], message: str, tmp_path: Path) -> None:
    with pytest.raises(error) as raised:
        benchmark(plan(tmp_path, RIGHT, wrong))
    assert message in str(raised.value)


@pytest.mark.parametrize("wrong", [{"events": 0}, {"rounds": -1}, {"sleepers": 0}, {"contestants": ["nobody"]}])
def test_plans_without_sense_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(wrong))[:9]}|nobody; there are in_memory"):
        benchmark(Plan(**{"folder": tmp_path, "entries": [RIGHT], **wrong}))


def test_the_command_prints_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--json", "--only", "single", "--contestants", "floor", "--events", "10", "--rounds", "1"]
    assert main([*options, "--data", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["single"]["floor"]["events"] == 10
    assert report["single"]["floor"]["fsyncs_per_event"] >= 1


def test_the_command_says_in_one_line_what_was_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "loud"]) == 2
    assert capsys.readouterr().err == f"bench: no scenario loud; there are {', '.join(ALL)}\n"


def test_the_table_fits_a_narrow_terminal(tmp_path: Path) -> None:
    longest = Entry(name="langgraph_sqlite_exit", factory=f"{HERE}:Syncing")
    report = benchmark(plan(tmp_path, RIGHT, longest))
    console = Console(file=io.StringIO(), width=80)
    console.print(*tables(report))
    printed = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO of the line above
    assert "events/s of in_memory to this one's" in printed
    assert "langgraph_sqlite_exit" in printed
    assert "…" not in printed


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda built_in: built_in.name)
def test_every_built_in_contestant_is_there_under_its_name(built_in: Entry) -> None:
    assert make(built_in.factory).name == built_in.name
    assert built_in.python == sys.executable
