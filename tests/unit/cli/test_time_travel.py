"""trace, diff, fork and replay, on the files of a system that does not run."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from tests.unit.cli import desk_travel
from tests.unit.cli.conftest import Aos

APP = str(Path(desk_travel.__file__))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")

    async def fill() -> None:
        async with AgentOperatingSystem(AOSConfig(data_dir=folder)) as aos:
            await aos.register_app(desk_travel)
            for number in (1, 2, 3):
                event = {"agent": "ledger", "type": "t", "data": number, "source": "/cli", "id": f"e{number}"}
                await aos.process_event(event, timeout_seconds=5)
            await aos.process_event({"agent": "reader", "type": "t", "id": "last"}, timeout_seconds=5)

    asyncio.run(fill())
    return folder


@pytest.fixture(autouse=True)
def data(filled: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AOS_DATA_DIR", "data")
    monkeypatch.setenv("AOS_APP", APP)
    return Path(shutil.copytree(filled, bare / "data"))


def test_trace(aos: Aos) -> None:
    ran = aos("trace", "ledger", "e1")
    lines = ran.out.splitlines()
    assert lines[0].startswith("ledger e1 (t) done in 0."), ran.err
    assert lines[1].startswith("├─ function rate done 0.")
    assert lines[2].startswith("└─ → reader ")
    assert lines[-1] == "0 model calls, 0 tool calls, 0 tokens"
    document = json.loads(aos("trace", "ledger", "e1", "--json").out)
    assert document["event"]["sends"][0]["events"][0]["agent"] == "reader"
    assert aos("trace", "ledger", "none").code == 4


def test_diff(aos: Aos) -> None:
    ran = aos("diff", "ledger", "--at", "e2")
    assert ran.out.splitlines()[-1].split() == ["/sum", "changed", "2.0", "6.0"], ran.err
    versions = json.loads(aos("diff", "ledger", "--at", "e1", "--json").out)["after"]["version"]
    since = json.loads(aos("diff", "ledger", "--from", str(versions), "--json").out)
    assert since["changes"] == [{"path": "/sum", "change": "changed", "before": 2.0, "after": 12.0}]
    assert aos("diff", "ledger").code == 2
    assert aos("diff", "ledger", "--from", "1", "--at", "e1").code == 2
    assert aos("diff", "reader", "--from", "1").code == 4


def test_fork(aos: Aos) -> None:
    ran = aos("fork", "ledger", "--at", "e2", "--as", "ledger/again")
    assert ran.out.startswith("ledger/again is ledger as of version "), ran.err
    assert json.loads(aos("state", "ledger/again", "--json").out) == {"sum": 6.0}
    assert aos("fork", "ledger", "--at", "e2", "--as", "ledger/again").code == 5
    assert aos("fork", "ledger", "--at", "e2", "--as", "reader/x").code == 2


def test_replay(aos: Aos, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = aos("replay", "ledger", "e2")
    assert (ran.code, ran.out) == (0, "the same: done\n"), ran.err
    assert aos("replay", "ledger", "e2", "--save", "e2.json").code == 0
    ran = aos("replay", "--file", "e2.json", "--json")
    assert (ran.code, json.loads(ran.out)["equal"]) == (0, True)
    changed = bare / "changed.py"
    changed.write_text(Path(APP).read_text().replace("event.data * rate", "event.data"))
    ran = aos("replay", "--file", "e2.json", "--app", str(changed))
    assert ran.code == 1
    assert ran.out.splitlines()[:2] == ["result changed: 6.0 → 4.0", "state/sum changed: 6.0 → 4.0"]
    monkeypatch.delenv("AOS_APP")
    assert aos("replay", "--file", "e2.json").code == 2
    assert aos("replay", "ledger").code == 2
    assert aos("replay", "--file", "none.json").code == 4
