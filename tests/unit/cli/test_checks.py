"""`aos faults` and `aos bench`: what they run is tested where it lies; here, that they run it and what they say."""

import json
from typing import Any

import pytest

from AgentOperatingSystem.cli import faults
from AgentOperatingSystem.cli.faults import is_broken, together
from AgentOperatingSystem.proof.report import Report
from tests.unit.cli.conftest import Aos

WELL = Report(faults=5, events=10, lost=0, applied_twice=0, stuck=0, hash="a", by_kind={"crash": 5})


def test_faults_in_a_simulated_world(aos: Aos) -> None:
    first = aos("faults", "--seeds", "1", "--first", "7", "--json")
    assert (first.code, first.err) == (0, "")
    report = json.loads(first.out)
    assert list(report)[:6] == ["faults", "events", "lost", "applied_twice", "stuck", "hash"]
    assert report["faults"] > 0
    assert json.loads(aos("faults", "--seeds", "1", "--first", "7", "--json").out) == report
    assert json.loads(aos("faults", "--seeds", "1", "--first", "8", "--json").out)["hash"] != report["hash"]


def test_real_kills(aos: Aos) -> None:
    ran = aos("faults", "--kill", "1", "--json")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["kills"] == 1


def test_neither(aos: Aos) -> None:
    ran = aos("faults", "--seeds", "0")
    assert (ran.code, ran.out) == (2, "")


BROKEN = ({"lost": 1}, {"applied_twice": 1}, {"stuck": 1}, {"answers_paid_twice": 1}, {"failures": ["seed 3: why"]})


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_promise_is_exit_code_1(aos: Aos, monkeypatch: pytest.MonkeyPatch, broken: dict[str, Any]) -> None:
    report: Report = {**WELL, **broken}  # type: ignore[typeddict-item]  # one of its keys
    monkeypatch.setattr(faults, "break_things", lambda *given, **how: report)
    ran = aos("faults", "--seeds", "1")
    assert ran.code == 1
    assert "crash  5" in ran.out
    assert ran.out.endswith("seed 3: why\n") is ("failures" in broken)


def test_two_reports_are_one() -> None:
    killed = Report(faults=2, events=3, lost=1, applied_twice=0, stuck=0, hash="b", by_kind={"crash": 2}, kills=2)
    both = together([WELL, killed])
    assert both == {
        "faults": 7,
        "events": 13,
        "lost": 1,
        "applied_twice": 0,
        "stuck": 0,
        "hash": "a:b",
        "by_kind": {"crash": 7},
        "kills": 2,
    }
    assert is_broken(both)
    assert not is_broken(together([WELL, WELL]))
    assert together([{**WELL, "failures": ["x"]}, WELL])["failures"] == ["x"]


SHORT = ("--only", "single", "--contestants", "floor", "--events", "20", "--rounds", "1", "--folder", "bench")


def test_bench_as_a_table_and_as_json(aos: Aos) -> None:
    report = json.loads(aos("bench", *SHORT, "--json").out)
    assert list(report) == ["single", "ratios", "machine"]
    assert report["single"]["floor"]["events"] == 20
    shown = aos("bench", *SHORT)
    assert "floor" in shown.out
    assert shown.err.startswith("aos: round 1: single")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "nope"), "no scenario nope"),
        (("--contestants", "nope"), "no contestant nope"),
        (("--events", "0"), "events must be above 0"),
        (("--events", "x"), "'x' is not a whole number"),
    ],
)
def test_bench_names_what_cannot_be_measured(aos: Aos, arguments: tuple[str, ...], message: str) -> None:
    ran = aos("bench", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
