"""Every command that reads or controls, on the files of a system that does not run."""

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.errors import EventFailed, RequestTimedOut
from tests.unit.cli import desk
from tests.unit.cli.conftest import Aos, Ran

APP = str(Path(desk.__file__))
EVENTS: list[dict[str, Any]] = [
    {"agent": "desk/a b", "type": "t", "data": 0, "source": "/cli", "id": "e0"},
    {"agent": "desk/a b", "type": "t", "data": 1, "source": "/cli", "id": "e1"},
    {"agent": "desk", "type": "t", "data": "bad", "id": "bad"},
    {"agent": "desk", "type": "t", "data": "later", "id": "later"},
    {"type": "nobody.wants", "data": 1, "id": "unrouted"},
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a system that has run, with a little of everything in it."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(handle(folder, *EVENTS))
    return folder


@pytest.fixture
def data(filled: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the data folder of the command."""
    monkeypatch.setenv("AOS_DATA_DIR", "data")
    return Path(shutil.copytree(filled, bare / "data"))


async def handle(folder: Path, *events: dict[str, Any]) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=folder)) as aos:
        await aos.register_app(desk)
        for event in events:
            with contextlib.suppress(EventFailed, RequestTimedOut):
                await aos.process_event(event, timeout_seconds=1)


def document(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_it_says_that_it_works_directly(data: Path, aos: Aos) -> None:
    assert aos("ps").err == "aos: no system answers at http://127.0.0.1:1; working on data directly\n"


def test_ps(data: Path, aos: Aos) -> None:
    page = document(aos("ps", "--json", "--app", APP))
    assert [(each["agent"], each["state"], each["handled"]) for each in page["items"]] == [
        ("desk", "initialized", 0),
        ("desk/a b", "sleeping", 2),
    ]
    assert [kind["name"] for kind in page["types"]] == ["desk"]
    table = aos("ps", "desk/a").out.splitlines()
    assert table[0].split() == ["AGENT", "STATE", "HANDLED", "BACKLOG", "LAST", "SEEN"]
    assert table[1].startswith("desk/a b  sleeping  2        0        20"), table
    assert "aos.unrouted" in aos("ps", "--all").out


def test_ps_page_by_page(data: Path, aos: Aos) -> None:
    first = aos("ps", "desk", "--limit", "1").out.splitlines()
    assert first[1].startswith("desk ")
    cursor = first[2].removeprefix("more: --after '").removesuffix("'")
    assert "desk/a b" in aos("ps", "desk", "--limit", "1", "--after", cursor).out


def test_show(data: Path, aos: Aos) -> None:
    found = document(aos("show", "desk/a b", "--json", "--app", APP))
    assert (found["agent"], found["handled"], found["type"]["doc"]) == ("desk/a b", 2, "Counts what comes.")
    lines = aos("show", "desk/a b", "--app", APP).out.splitlines()
    assert "does           Counts what comes." in lines
    assert "registered     yes" in lines


def test_show_an_event(data: Path, aos: Aos) -> None:
    assert document(aos("show", "desk/a b", "e1", "--json"))["result"] == {"n": 2}
    assert 'result       {"n": 2}' in aos("show", "desk/a b", "e1").out.splitlines()


def test_state_and_memory(data: Path, aos: Aos) -> None:
    assert document(aos("state", "desk/a b")) == document(aos("state", "desk/a b", "--json")) == {"n": 2}
    assert document(aos("memory", "desk/a b", "--json"))["items"] == [{"key": "last", "value": 1}]
    assert aos("memory", "desk/a b", "la").out == "KEY   VALUE\nlast  1\n"
    assert aos("memory", "desk/a b", "x").out == "nothing is remembered\n"


def test_history_and_mailbox(data: Path, aos: Aos) -> None:
    assert [each["id"] for each in document(aos("history", "desk/a b", "--json"))["items"]] == ["e0", "e1"]
    assert document(aos("history", "desk/a b", "--status", "failed", "--json"))["items"] == []
    assert [each["id"] for each in document(aos("mailbox", "desk", "--json"))["items"]] == ["later"]
    assert "retryable: later" in aos("mailbox", "desk").out
    assert aos("mailbox", "desk/a b").out == "nothing waits\n"


def test_control(data: Path, aos: Aos) -> None:
    assert aos("pause", "desk/a b", "--reason", "tired").out == "desk/a b is paused\n"
    assert document(aos("show", "desk/a b", "--json"))["reason"] == "tired"
    assert document(aos("resume", "desk/a b", "--json")) == {"agent": "desk/a b", "state": "sleeping"}
    assert aos("stop", "desk/a b").out == "desk/a b is stopped\n"
    assert aos("resume", "desk/a b").code == 5
    assert aos("start", "desk/a b").out == "desk/a b is sleeping\n"
    assert aos("terminate", "desk/a b", "--delete").out == "desk/a b is terminated\n"
    assert aos("start", "desk/a b").code == 5


def test_schedules(data: Path, aos: Aos) -> None:
    added = aos("schedule", "add", "desk", "nightly", '{"a": 1}', "--cron", "0 3 * * *", "--app", APP)
    assert added.out.startswith("desk: nightly is due 20")
    assert added.out.endswith("T03:00:00Z, and whenever '0 3 * * *' says (UTC)\n")
    once = aos("schedule", "add", "desk/a b", "once", "--at", "2099-01-01T00:00:00Z", "--json", "--app", APP)
    assert document(once)["due"] == "2099-01-01T00:00:00Z"
    listed = document(aos("schedule", "ls", "--json"))["items"]
    assert sorted((each["agent"], each["name"], each["data"]) for each in listed) == [
        ("desk", "nightly", {"a": 1}),
        ("desk/a b", "once", None),
    ]
    assert len(document(aos("schedule", "ls", "desk", "--json"))["items"]) == 1
    assert aos("schedule", "cancel", "desk", "nightly").out == "desk: nightly is cancelled\n"
    assert aos("schedule", "cancel", "desk", "nightly").code == 4


def quarantined(aos: Aos, agent: str) -> str:
    items = document(aos("quarantine", "ls", "--json"))["items"]
    return next(str(each["event_key"]) for each in items if each["agent"] == agent)


def test_quarantine(data: Path, aos: Aos) -> None:
    key = quarantined(aos, "desk")
    assert "I do not like it" in aos("quarantine", "show", "desk", key).out
    assert key in aos("quarantine", "ls").out
    assert document(aos("quarantine", "redrive", "desk", key, "--json"))["status"] == "parked"
    assert aos("quarantine", "redrive", "desk", key).code == 4


def test_an_edited_event_goes_on_at_the_next_start(data: Path, aos: Aos) -> None:
    assert aos("quarantine", "edit", "desk", quarantined(aos, "desk"), '"good"').code == 0
    asyncio.run(handle(data, {"agent": "desk/other", "type": "t"}))
    assert document(aos("state", "desk")) == {"n": 1}


def test_a_dropped_event_is_cancelled(data: Path, aos: Aos) -> None:
    dropped = aos("quarantine", "drop", "desk", quarantined(aos, "desk"), "--reason", "no use")
    assert dropped.out == "desk: event bad is cancelled (dropped: no use)\n"


def test_an_unrouted_event_is_routed_again_with_the_routes_of_the_app(data: Path, aos: Aos) -> None:
    asyncio.run(handle(data, {"type": "routed.x", "agent": "desk"}))
    ran = aos("quarantine", "redrive", "aos.unrouted", quarantined(aos, "aos.unrouted"), "--app", APP)
    assert ran.code == 0


def test_export_and_import(data: Path, aos: Aos, bare: Path) -> None:
    assert document(aos("export", "desk/a b"))["format"] == "aos.agent/1"
    exported = document(aos("export", "desk/a b", "copy.json", "--json"))
    assert exported == {"agent": "desk/a b", "file": "copy.json", "bytes": (bare / "copy.json").stat().st_size}
    assert aos("export", "desk/a b", "copy.json").code == 2
    assert aos("import", "copy.json").code == 5
    assert aos("import", "copy.json", "--as", "desk/copy").out == "desk/copy is here\n"
    assert document(aos("state", "desk/copy")) == {"n": 2}


def test_import_begins_a_folder(data: Path, aos: Aos, bare: Path) -> None:
    assert aos("export", "desk/a b", "copy.json").code == 0
    assert aos("import", "copy.json", "--data", "new").code == 0
    assert document(aos("state", "desk/a b", "--data", "new")) == {"n": 2}


def test_an_app_that_does_not_load_stops_only_what_changes_something(data: Path, aos: Aos) -> None:
    read = aos("ps", "--app", "missing.py")
    assert read.code == 0
    assert "there is no file" in read.err
    assert "going on without its agents" in read.err
    assert aos("pause", "desk", "--app", "missing.py").code == 2


def test_what_changes_without_agents_says_so(data: Path, aos: Aos) -> None:
    refused = aos("schedule", "add", "desk", "x", "--in", "1")
    assert refused.code == 4
    assert "no agents are loaded; where they matter, name them with --app or AOS_APP" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("show nobody", 4, "nobody has never been woken"),
        ("show desk nothing", 4, "knows no event 'nothing'"),
        ("state desk/never", 4, "desk/never has never been woken"),
        ("history desk/never", 4, "has never been woken"),
        ("export desk/never", 4, "has never been woken"),
        ("pause nobody", 4, "no agent is registered"),
        ("pause ../x", 2, "agent name '..'"),
        ("show a|b", 2, "agent name 'a|b'"),
        ("state desk/" + "x" * 600, 2, "agent key"),
        ("history desk --status wrong", 2, "status"),
        ("history desk --after nonsense", 2, "nonsense"),
        ("schedule add desk x --cron 61", 2, "cron expression '61'"),
        ("schedule add desk x --at yesterday", 2, "yesterday"),
        ("schedule add desk x --cron * --missed never", 2, "never"),
        ("schedule add desk x", 2, "give one of --cron, --at and --in"),
        ("schedule add desk x --in 1 --at 1", 2, "give one of --cron, --at and --in"),
        ("quarantine show desk 1/2", 2, "event key '1/2'"),
        ("quarantine show desk 12", 4, "no quarantined event"),
        ("quarantine edit desk 12 {", 2, "DATA is not JSON"),
        ("import missing.json", 4, "there is no file 'missing.json'"),
        ("import broken.json", 2, "JSON"),
        ("import other.json", 2, "missing required field"),
        ("import broken.json --as a|b", 2, "agent name 'a|b'"),
        ("ps --limit 0", 2, "--limit"),
        ("ps --limit many", 2, "--limit"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    data: Path, aos: Aos, bare: Path, arguments: str, code: int, message: str
) -> None:
    (bare / "broken.json").write_bytes(b'{"format": \xff')
    (bare / "other.json").write_text("{}")
    ran = aos(*arguments.split(), *(["--app", APP] if "schedule add" in arguments else []))
    lines = [line for line in ran.err.splitlines() if "directly" not in line and "no agents are loaded" not in line]
    assert ran.code == code, ran.err
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert ran.out == ""


def test_no_server_and_no_data(bare: Path, aos: Aos) -> None:
    ran = aos("ps", "--data", "missing")
    assert (ran.code, ran.out) == (3, "")
    assert "(Connection refused), and missing holds no data; start a system with `aos up`" in ran.err
    assert not (bare / "missing").exists()


def test_a_file_that_is_no_database(bare: Path, aos: Aos) -> None:
    (bare / ".aos").mkdir()
    (bare / ".aos" / "aos.db").write_bytes(b"not a database" * 1000)
    ran = aos("ps")
    assert ran.code in (2, 3)
    assert "aos.db" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_cancel(data: Path, aos: Aos) -> None:
    ran = aos("cancel", "desk", "later", "--source", "/", "--reason", "no need", "--app", APP)
    assert (ran.code, ran.out) == (0, "desk: event later is cancelled (cancelled: no need)\n"), ran.err
    assert aos("cancel", "desk", "none", "--app", APP).code == 4


def test_switches(data: Path, aos: Aos) -> None:
    assert aos("switches", "--app", APP).out == "nothing is held\n"
    said = aos("pause", "--type", "desk", "--reason", "x", "--app", APP)
    assert said.out == "type desk is paused; every host has seen it within 5 s\n", said.err
    assert document(aos("switches", "--json", "--app", APP))["items"][0]["state"] == "paused"
    assert aos("stop", "--tenant", "default", "--app", APP).out.startswith("tenant default is stopped")
    for over in (("--type", "desk"), ("--tenant", "default")):
        assert " is active; " in aos("resume", *over, "--app", APP).out
    assert aos("switches", "--app", APP).out == "nothing is held\n"
    assert aos("pause", "--app", APP).code == 2
    assert aos("pause", "desk", "--type", "desk", "--app", APP).code == 2
