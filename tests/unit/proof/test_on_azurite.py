"""`aos bench --store azurite`: the same keys as the embedded report, counted requests, and what they come to."""

from pathlib import Path

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput
from AgentOperatingSystem.proof import azurite
from AgentOperatingSystem.proof.azure_prices import per_million_events, prices
from AgentOperatingSystem.proof.bench.on_azurite import benchmark_azurite
from AgentOperatingSystem.proof.bench.report import FIGURES
from AgentOperatingSystem.proof.bench.rounds import Plan
from AgentOperatingSystem.proof.bench.table import tables
from tests.emulator import emulator


def test_the_store_is_measured_beside_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_STORAGE_CONNECTION_STRING", emulator().connection_string)
    report = benchmark_azurite(Plan(only=("single",), events=20, seconds_max=2.0, rounds=1, folder=tmp_path))
    ours, theirs = report["single"]["aos"], report["single"]["floor_sdk"]
    assert report["floor_sdk"] == {"single": theirs}
    assert set(FIGURES) <= set(ours) & set(theirs)
    assert (ours["transactions_per_event"], ours["reads_per_event"], ours["writes_per_event"]) == (1.0, 0.0, 0.0)
    assert theirs["transactions_per_event"] == 1.0
    assert report["price_per_million_events"] == {"single": prices().per_million["table_transaction"]}
    assert report["prices"]["as_of"]
    assert "aos/floor_sdk" in report["ratios"]["single"]
    assert len(list(tables(report))) == 1


def test_other_loads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no load sleeping; there are many, hot, single"):
        benchmark_azurite(Plan(only=("sleeping",), folder=tmp_path))


def test_prices_are_dated_and_sourced() -> None:
    known = prices()
    assert known.as_of == "2026-11-21"
    assert all(source.startswith("https://azure.microsoft.com/pricing/") for source in known.sources)
    assert per_million_events({"transactions": 1.0, "reads": 0.5, "blob_writes": 0.01, "events": 7}) == pytest.approx(
        0.036 + 0.018 + 0.05
    )


def test_an_emulator_of_ones_own_is_started_and_stopped(tmp_path: Path) -> None:
    assert emulator().table  # installed
    with azurite.running(tmp_path) as text:
        assert "TableEndpoint=http://127.0.0.1:" in text
    assert any(tmp_path.iterdir())


def test_without_an_emulator_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="run scripts/azurite"), azurite.running(tmp_path, tmp_path / "no.js"):
        pass
