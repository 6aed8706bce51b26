"""A report for a person: one table for each scenario, narrow enough for a terminal of 80 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table

from AgentOperatingSystem.proof.bench.on_azurite import EXTRA
from AgentOperatingSystem.proof.bench.report import OVERHEAD, Report

_COLUMNS = ("events/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "fsyncs", "MiB")


def tables(report: Report) -> Iterator[Table]:
    """One table for each scenario of the report, in its order, and what a step costs. CPU and fsyncs are per event."""
    for scenario, contestants in report.items():
        if scenario not in ("ratios", "machine", OVERHEAD, *EXTRA):
            yield _table(scenario, contestants, report["ratios"][scenario])
    if OVERHEAD in report:
        yield _overheads(report[OVERHEAD])


def _table(scenario: str, contestants: Mapping[str, Any], ratios: Mapping[str, Any]) -> Table:
    title = f"{scenario}  (ratio: events/s of {next(iter(contestants))} to this one's)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("", no_wrap=True)
    for column in (*_COLUMNS, "ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    by_other = {name.partition("/")[2]: f"{ratio['median']:.3g}" for name, ratio in ratios.items()}
    for name, figures in contestants.items():
        table.add_row(name, *_cells(figures), by_other.get(name, ""))
    return table


def _overheads(overheads: Mapping[str, Any]) -> Table:
    title = "what the journal adds to a step, in ms (difference of the p50s by the number of steps)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for column in ("", "median", "smallest", "largest"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, figures in overheads.items():
        table.add_row(name, *(f"{figures[each]:.3f}" for each in ("median", "min", "max")))
    return table


def _cells(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{figures['events_per_second']:,.0f}"
    yield f"{figures['p50_ms']:.2f}"
    yield f"{figures['p95_ms']:.2f}"
    yield f"{figures['p99_ms']:.1f}"
    yield f"{figures['cpu_ms_per_event']:.3f}"
    fsyncs, resident = figures.get("fsyncs_per_event"), figures["rss_mb"]
    yield "" if fsyncs is None else f"{fsyncs:.3g}"
    yield "" if resident is None else f"{resident:,.0f}"
