"""`aos alerts`, on the data folder itself: what is typed, what is shown."""

import asyncio
import json

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.cli.commands.alerts import seconds_of
from AgentOperatingSystem.errors import InvalidInput
from tests.unit.cli.conftest import Aos
from tests.waiting import until


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The data folder of a system where something fires."""
    made = tmp_path_factory.mktemp("data")

    async def fill() -> None:
        async with AgentOperatingSystem(AOSConfig(data_dir=made)) as system:
            await system.accept_event({"agent": "aos.unrouted", "type": "lost"})
            await until(lambda: system.quarantine.list("default"), lambda page: bool(page.items))
            await system.keep_house()
            await until(system.alerts.firing, bool)

    asyncio.run(fill())
    return str(made)


def test_what_fires_is_listed_and_silenced(aos: Aos, folder: str) -> None:
    shown = aos("alerts", "ls", "--data", folder)
    assert (shown.code, shown.out.splitlines()[0].split()[:4]) == (0, ["SEVERITY", "RULE", "SUBJECT", "VALUE"])
    assert shown.out.splitlines()[1].split()[:4] == ["WARNING", "events_quarantined", "aos.unrouted", "1"]
    told = aos("alerts", "silence", "events_quarantined", "--for", "2h", "--data", folder)
    assert told.out.startswith("events_quarantined is silent until 20")
    rules = json.loads(aos("alerts", "rules", "--data", folder, "--json").out)
    (rule,) = (each for each in rules["items"] if each["name"] == "events_quarantined")
    assert (rule["firing"], rule["silenced_until"] is not None) == (1, True)
    ended = aos("alerts", "silence", "events_quarantined", "--for", "0", "--data", folder)
    assert ended.out == "events_quarantined is not silent\n"


@pytest.mark.parametrize(("rule", "period", "code"), [("nothing", "1h", 4), ("queue_deep", "soon", 2)])
def test_what_cannot_be_is_one_line(aos: Aos, folder: str, rule: str, period: str, code: int) -> None:
    ran = aos("alerts", "silence", rule, "--for", period, "--data", folder)
    assert (ran.code, "Traceback" in ran.err) == (code, False)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5d", 129_600)])
def test_periods(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_no_period() -> None:
    with pytest.raises(InvalidInput, match="write a time such as 30m"):
        seconds_of("-1h")
