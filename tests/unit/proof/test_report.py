"""From single runs to quoted figures."""

from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.proof.bench.report import FIGURES, Run, assemble, machine, read_figures, rounded
from AgentOperatingSystem.proof.bench.table import tables


def a_run(contestant: str, speed: float, scenario: str = "many", **figures: Any) -> Run:
    measured = dict.fromkeys(FIGURES, 1.0) | {"events": 10, "events_per_second": speed, "fsyncs": None}
    return Run(scenario=scenario, contestant=contestant, figures=measured | figures)


def test_figures_are_medians_with_their_spread() -> None:
    report = assemble([a_run("floor", 10), a_run("floor", 40), a_run("floor", 20)], {}, {})
    figures = report["many"]["floor"]
    assert figures["events_per_second"] == 20
    assert figures["spread"]["events_per_second"] == [10, 40]
    assert (figures["rounds"], figures["events"]) == (3, 30)
    assert set(FIGURES) <= set(figures)


def test_ratios_are_taken_within_a_round() -> None:
    runs = [
        a_run("aos", 10),
        a_run("floor", 20),
        a_run("aos", 90),
        a_run("floor", 100),
        a_run("aos", 8),
        a_run("floor", 10),
    ]
    ratios = assemble(runs, {}, {})["ratios"]
    assert ratios == {"many": {"aos/floor": {"median": 0.8, "min": 0.5, "max": 0.9}}}


def test_waking_one_of_many_is_compared_with_waking_one_of_few() -> None:
    runs = [a_run("aos", 10, "sleeping_few", p50_ms=0.2), a_run("aos", 9, "sleeping", p50_ms=0.21)]
    assert assemble(runs, {}, {})["ratios"]["wake"] == {"aos": {"median": 1.05, "min": 1.05, "max": 1.05}}


def test_what_a_step_costs_is_the_difference_to_who_keeps_no_journal() -> None:
    runs = [
        a_run("steps_bare", 10, "steps", p50_ms=1.0),
        a_run("steps_model", 9, "steps", p50_ms=3.0),
        a_run("steps_bare", 10, "steps", p50_ms=2.0),
        a_run("steps_model", 9, "steps", p50_ms=3.0),
        a_run("aos_team", 9, "steps_team", p50_ms=3.0),
    ]
    report = assemble(runs, {}, {})
    assert report["ms_per_step"] == {"steps_model": {"median": 0.15, "min": 0.1, "max": 0.2}}
    assert len(list(tables(report))) == 3


def test_without_one_that_keeps_no_journal_nothing_is_said_of_steps() -> None:
    assert "ms_per_step" not in assemble([a_run("aos", 10)], {}, {})


def test_a_neighbour_is_compared_with_itself_alone() -> None:
    runs = [a_run("calm", 10, "runaways", p95_ms=2.0), a_run("storm", 9, "runaways", p95_ms=3.0)]
    assert assemble(runs, {}, {})["ratios"]["neighbour"] == {"storm/calm": {"median": 1.5, "min": 1.5, "max": 1.5}}


@pytest.mark.parametrize(
    ("own", "traced", "expected"),
    [
        pytest.param(20, 1.5, {"fsyncs_per_event": 1.5, "fsyncs_counted_by": "strace"}, id="system calls are believed"),
        pytest.param(20, None, {"fsyncs_per_event": 2.0, "fsyncs_counted_by": "contestant"}, id="else the contestant"),
        pytest.param(None, None, {}, id="else nothing is said"),
    ],
)
def test_the_report_says_who_counted_the_fsyncs(
    own: float | None, traced: float | None, expected: dict[str, object]
) -> None:
    counts = {} if traced is None else {("many", "floor"): traced}
    figures = assemble([a_run("floor", 10, fsyncs=own)], counts, {})["many"]["floor"]
    assert {name: value for name, value in figures.items() if name.startswith("fsyncs")} == expected


def test_memory_that_nobody_knows_is_null() -> None:
    figures = assemble([a_run("floor", 10, rss_mb=None)], {}, {})["many"]["floor"]
    assert figures["rss_mb"] is None
    assert "rss_mb" not in figures["spread"]


def test_figures_are_the_last_line_of_what_a_child_prints() -> None:
    assert read_figures('starting up\n{"events": 3}\n') == {"events": 3}


@pytest.mark.parametrize(("value", "shown"), [(12345.678, 12350.0), (0.000123456, 0.0001235), (1, 1.0), (0, 0.0)])
def test_figures_have_four_significant_digits(value: float, shown: float) -> None:
    assert rounded(value) == shown


def test_the_machine_is_described_with_its_fsync(tmp_path: Path) -> None:
    described = machine(tmp_path)
    assert set(described) == {"cpus", "python", "sqlite", "system", "fsync_ms"}
    assert list(tmp_path.iterdir()) == []
