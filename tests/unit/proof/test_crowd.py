"""A thousand agents at a GPU endpoint that serves eight at once: no storm reaches it."""

import pytest
from rich.console import Console

from AgentOperatingSystem.proof.gpu import crowd

GATED = ("gate", "gate, endpoint cold", "gate set too wide")


def test_no_storm_reaches_the_endpoint() -> None:
    report = crowd.measure(ways=GATED)
    ways = report["ways"]
    assert all(way["answers"] == report["agents"] == 1000 for way in ways.values())
    assert max(way["calls_per_answer"] for way in ways.values()) <= 1.2
    ideal_seconds = report["agents"] * crowd.ANSWER_SECONDS / report["serves"]
    assert ways["gate"]["last_seconds"] <= 1.1 * ideal_seconds
    assert ways["gate, endpoint cold"]["last_seconds"] <= 1.1 * ideal_seconds + 4 * crowd.COLD_SECONDS


def test_without_the_gate_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    report = crowd.measure(100, ["gate", "no gate"])
    assert report["ways"]["gate"]["refused"] == 0
    assert report["ways"]["no gate"]["calls_per_answer"] > 3
    Console(width=120).print(crowd.table(report))
    assert "calls per answer" in capsys.readouterr().out
