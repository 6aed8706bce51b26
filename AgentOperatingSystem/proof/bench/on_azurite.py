"""`aos bench --store azurite`: the loads that an awake agent gets, on tables, and what they cost to keep.

Called by `aos bench`; starts Azurite unless a storage account is configured, and hands `rounds` the two contestants.
The report is that of the embedded benchmark with the same keys, and `floor_sdk`, `price_per_million_events`, `prices`.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof import azurite
from AgentOperatingSystem.proof.azure_prices import per_million_events, prices
from AgentOperatingSystem.proof.bench.azure_names import COUNTED
from AgentOperatingSystem.proof.bench.contestant import Entry
from AgentOperatingSystem.proof.bench.report import Report
from AgentOperatingSystem.proof.bench.rounds import Plan, benchmark
from AgentOperatingSystem.proof.bench.scenarios import AWAKE

_HERE: Final = "AgentOperatingSystem.proof.bench.azure"
_AZURE: Final = "pip install 'agent-operating-system[azure]'"
ENTRIES: Final = (
    Entry(name="aos", factory=f"{_HERE}:AosAzure", scenarios=AWAKE, install=_AZURE),
    Entry(name="floor_sdk", factory=f"{_HERE}:FloorSdk", scenarios=AWAKE, install=_AZURE),
)
EXTRA: Final = ("floor_sdk", "price_per_million_events", "prices")
"""What the report has beside loads, ratios and machine."""


def benchmark_azurite(plan: Plan, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Runs the plan's loads on tables. Raises as `benchmark` does, and `ConfigurationError` without an account."""
    plan.check()
    only = tuple(plan.only) or AWAKE
    if unknown := set(only) - set(AWAKE):
        raise InvalidInput(f"on tables there is no load {', '.join(sorted(unknown))}; there are {', '.join(AWAKE)}")
    plan.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=plan.folder.resolve()) as files, azurite.account(Path(files)) as text:
        environment = {"AOS_STORAGE_CONNECTION_STRING": text}
        return _with_prices(
            benchmark(replace(plan, only=only, entries=ENTRIES, environment=environment, traced=False), progress)
        )


def _with_prices(report: Report) -> Report:
    aos = {name: report[name]["aos"] for name in AWAKE if "aos" in report.get(name, {})}
    floors = {name: report[name]["floor_sdk"] for name in AWAKE if "floor_sdk" in report.get(name, {})}
    known = prices()
    return report | {
        "floor_sdk": floors,
        "price_per_million_events": {name: _price(figures) for name, figures in aos.items()},
        "prices": {"as_of": known.as_of, "currency": known.currency, "region": known.region},
    }


def _price(figures: dict[str, Any]) -> float:
    operations = {name: figures[f"{name}_per_event"] for name in COUNTED}
    return float(f"{per_million_events(operations):.4g}")
