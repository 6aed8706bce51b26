"""Each check of the doctor, well and ill."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.cli.doctor import data, machine, models, server, settings
from AgentOperatingSystem.cli.doctor.findings import FAULT, OK, WARNING, Finding
from AgentOperatingSystem.config import AOSConfig
from tests.unit.cli.conftest import Aos, Loopback

MIB = 1 << 20


def statuses(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}


def test_this_machine_is_well() -> None:
    assert statuses(machine.checks()) == {"python": OK, "sqlite": OK, "packages": OK}


def test_interpreters_and_packages_that_will_not_do() -> None:
    assert machine.python((3, 10), "3.10.1").status == FAULT
    assert machine.python((3, 14), "3.14.0").status == FAULT
    assert "Python 3.11 to 3.13" in machine.python((3, 14), "3.14.0").advice
    assert machine.sqlite((3, 34), "3.34.1").status == FAULT
    assert machine.packages("no-such-distribution").advice == "pip install no-such-distribution"


@pytest.mark.parametrize(("free", "status"), [(99 * MIB, FAULT), (1023 * MIB, WARNING), (1024 * MIB, OK)])
def test_disk_space(free: int, status: str) -> None:
    assert data.space(free).status == status


@pytest.mark.parametrize(
    ("kind", "status"),
    [("ext4", OK), ("", OK), ("nfs4", FAULT), ("cifs", FAULT), ("fuse.sshfs", FAULT), ("tmpfs", WARNING)],
)
def test_file_systems(kind: str, status: str) -> None:
    assert data.file_system(kind).status == status


def wal(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    connection = sqlite3.connect(folder / "aos.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 1000)
    connection.commit()
    connection.close()
    return folder / "aos.db"


def test_a_data_folder_that_is_well(bare: Path) -> None:
    wal(bare / "d")
    (bare / "d" / "token").touch(mode=0o600)
    found = {finding.name: finding for finding in data.checks(bare / "d")}
    assert {name: finding.status for name, finding in found.items()} == {
        "data folder": OK,
        "data folder mode": OK,
        "disk space": OK,
        "file system": found["file system"].status,
        "store": OK,
        "token file mode": OK,
    }
    assert "WAL, sound" in found["store"].detail


def test_a_data_folder_that_is_not_there_yet(bare: Path) -> None:
    found = {finding.name: finding for finding in data.checks(bare / "a" / "b")}
    assert "not there yet" in found["data folder"].detail
    assert found["store"].status == OK
    assert list(bare.iterdir()) == []


def test_what_others_can_read_is_a_warning(bare: Path) -> None:
    wal(bare / "d").parent.chmod(0o755)
    (bare / "d" / "token").touch()
    (bare / "d" / "token").chmod(0o644)
    found = statuses(data.checks(bare / "d"))
    assert (found["data folder mode"], found["token file mode"]) == (WARNING, WARNING)


def test_a_folder_that_is_a_file_is_a_fault(bare: Path) -> None:
    (bare / "d").touch()
    assert statuses(data.checks(bare / "d"))["data folder"] == FAULT


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_a_fault(bare: Path) -> None:
    (bare / "d").mkdir(mode=0o500)
    assert statuses(data.checks(bare / "d"))["data folder"] == FAULT


def test_a_file_that_is_damaged_is_a_fault(bare: Path) -> None:
    file = wal(bare / "d")
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    file.write_bytes(content)
    assert statuses(data.checks(bare / "d"))["store"] == FAULT
    file.write_bytes(b"no database at all" * 300)
    assert statuses(data.checks(bare / "d"))["store"] == FAULT


def test_a_file_without_wal_is_a_fault(bare: Path) -> None:
    (bare / "d").mkdir()
    sqlite3.connect(bare / "d" / "aos.db").executescript("CREATE TABLE t (a);").connection.close()
    found = next(finding for finding in data.checks(bare / "d") if finding.name == "store")
    assert (found.status, "journal mode delete" in found.detail) == (FAULT, True)


APP = "from AgentOperatingSystem import BaseAgent\nclass A(BaseAgent): ...\nclass B(BaseAgent): ...\n"


def test_the_app(bare: Path) -> None:
    (bare / "agents_app.py").write_text(APP)
    (bare / "empty_app.py").write_text("")
    assert settings.app("agents_app.py", False) == Finding("app", OK, "agents_app.py: a, b")
    assert settings.app("empty_app.py", True).status == FAULT
    assert settings.app("missing.py", True).status == FAULT
    assert settings.app(None, False).status == WARNING
    assert settings.app(None, True).status == OK


def test_settings_that_cannot_work_here() -> None:
    found = statuses(settings.checks(AOSConfig(host="0.0.0.0"), True))
    assert found == {"configuration": OK, "exposure": FAULT, "app": OK}
    assert "exposure" not in statuses(settings.checks(AOSConfig(host="0.0.0.0", token="a-token-of-some-length"), True))


def model_config(folder: Path, answer: dict[str, Any]) -> AOSConfig:
    """A model that answers so."""
    (folder / "script.json").write_text(json.dumps([answer]))
    return AOSConfig(model=f"scripted/{folder / 'script.json'}", model_attempts_max=1)


def test_a_system_without_a_model_is_well() -> None:
    found = list(models.checks(AOSConfig(), True))
    assert [(finding.name, finding.status) for finding in found] == [("model", OK), ("autogen", OK)]
    assert "none is configured" in found[0].detail


def test_a_model_is_asked_only_where_that_is_wanted(bare: Path) -> None:
    config = model_config(bare, {"text": "yes", "usage": {"input_tokens": 9, "output_tokens": 1}})
    assert statuses(models.checks(config, False)) == {"model": OK, "autogen": OK}
    found = {finding.name: finding for finding in models.checks(config, True)}
    assert found["model answers"].status == OK
    assert found["model answers"].detail.startswith("'yes' after 0.0 s; 9 tokens in, 1 out")


def test_a_model_that_does_not_answer_is_a_fault(bare: Path) -> None:
    found = models.answers(model_config(bare, {"error": "model-unauthorized"}))
    assert (found.status, found.advice) == (FAULT, "docs/errors.md#model-unauthorized")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"model": "openai/gpt-4o-mini"}, "OPENAI_API_KEY"),
        ({"model": "openai"}, "openai/<model>"),
        ({"model": "nobody/x"}, "nobody"),
        ({"model": "ollama/x", "model_fallback": "openai/gpt-4o-mini"}, "OPENAI_API_KEY"),
    ],
)
def test_a_model_that_cannot_be_asked_is_a_fault_and_is_not(settings: dict[str, str], named: str) -> None:
    found = {finding.name: finding for finding in models.checks(AOSConfig(**settings), True)}
    assert (found["model"].status, named in found["model"].detail) == (FAULT, True)
    assert "model answers" not in found


def test_a_key_is_looked_for_and_never_shown(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    monkeypatch.setenv("AOS_MODEL", "openai/gpt-4o-mini")
    found = models.model(AOSConfig())
    assert found == Finding(
        "model", OK, "openai/gpt-4o-mini (environment AOS_MODEL): what it needs is set; --online asks it"
    )


def test_autogen_is_missed_only_where_there_is_a_model() -> None:
    assert models.autogen("no-such-distribution", is_needed=False).status == OK
    missed = models.autogen("no-such-distribution", is_needed=True)
    assert (missed.status, missed.advice) == (WARNING, "pip install 'agent-operating-system[autogen]'")


def test_who_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        assert server.listener(mine.getsockname()[1]).startswith(f"pid {os.getpid()}, ")
        port = mine.getsockname()[1]
    assert server.listener(port) == ""


def examined(aos: Aos, *arguments: str) -> dict[str, Any]:
    ran = aos("doctor", "--json", *arguments)
    report = json.loads(ran.out)
    assert ran.code == (0 if report["ok"] else 1)
    found: dict[str, Any] = {finding["name"]: finding for finding in report["findings"]}
    return found


def test_no_server_is_a_warning_where_one_can_be_started(aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    monkeypatch.setenv("AOS_PORT", port)
    found = examined(aos)
    assert (found["server"]["status"], found["port"]["status"]) == (WARNING, OK)
    assert found["port"]["detail"] == f"127.0.0.1:{port} is free"


def test_a_port_that_cannot_be_had_is_a_fault(bare: Path, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_HOST", "192.0.2.1")  # of no machine (RFC 5737)
    monkeypatch.setattr("AgentOperatingSystem.cli.client.CONNECT_SECONDS", 0.1)
    monkeypatch.setenv("AOS_TOKEN", "a-token-of-some-length")
    found = examined(aos)
    assert (found["server"]["status"], found["port"]["status"]) == (WARNING, FAULT)


def test_another_program_at_the_port_is_a_fault(loopback: Loopback, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback.says(200, b"<html>", "text/html")
    monkeypatch.setenv("AOS_PORT", loopback.url.rpartition(":")[2])
    found = examined(aos)
    assert found["server"]["status"] == FAULT
    assert f"pid {os.getpid()}, " in found["server"]["detail"]


def test_a_server_that_is_well(loopback: Loopback, aos: Aos) -> None:
    loopback.says(200, b'{"status": "live"}')
    loopback.says(200, b'{"status": "ready", "store_milliseconds": 1.25}')
    loopback.says(200, b'{"items": [{}, {}]}')
    found = examined(aos, "--url", loopback.url, "--token", "the-token")
    assert found["server"]["detail"] == f"{loopback.url} is live"
    assert found["ready"]["detail"] == "the store answers in 1.2 ms"
    assert (found["token"]["status"], found["quarantine"]["status"]) == (OK, WARNING)
    assert "data folder" not in found


@pytest.mark.parametrize(
    ("status", "code", "name"), [(401, b"unauthorized", "token"), (503, b"store-unavailable", "ready")]
)
def test_a_server_that_is_not(loopback: Loopback, aos: Aos, status: int, code: bytes, name: str) -> None:
    loopback.says(200, b'{"status": "live"}')
    loopback.says(status, b'{"code": "%s", "detail": "why"}' % code, "application/problem+json")
    found = examined(aos, "--url", loopback.url)
    assert (found[name]["status"], found[name]["detail"]) == (FAULT, "why")


def test_a_system_elsewhere_that_does_not_answer_is_a_fault(aos: Aos) -> None:
    assert examined(aos, "--url", "http://127.0.0.1:1")["server"]["status"] == FAULT


def test_a_configuration_that_cannot_be_read_is_a_fault(aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_PORT", "x")
    found = examined(aos)
    assert found["configuration"]["status"] == FAULT
    assert found["configuration"]["detail"].startswith("environment AOS_PORT: port = 'x'")
    assert "python" in found


def test_people_read_what_is_configured_and_what_to_do(aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_TOKEN", "a-secret-token")
    out = aos("doctor").out
    assert "token = ********  (environment AOS_TOKEN)" in out
    assert "server: start one with `aos up`" in out
    assert "a-secret-token" not in out
