"""`aos servicebus up` where it cannot begin; that it runs is seen in tests/crash/test_servicebus_kill.py."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from AgentOperatingSystem.cli.app import run
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import NamespaceSettings

FORWARDING = """{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [
  {"Name": "a", "Properties": {"ForwardTo": "b"}}]}]}}"""


def up(*arguments: str) -> int:
    return run(["servicebus", "up", "--port", "0", *arguments])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "no JSON"), ("{}", "UserConfig: an object is expected"), (FORWARDING, "there is no entity 'b'")],
)
def test_a_wrong_configuration_is_named(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "Config.json"
    config.write_text(text)
    assert up("--config", str(config)) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert str(config) in told


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert up("--port", str(port)) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_folder_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "file"
    place.write_text("")
    assert up("--data", str(place)) == 2
    assert f"{place}: File exists" in capsys.readouterr().err


def test_a_second_broker_on_the_same_state_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = LocalServiceBus(NamespaceSettings(), now_seconds=time.time, data_dir=tmp_path)
    assert up("--data", str(tmp_path)) == 2
    assert "does another broker run on it?" in capsys.readouterr().err
    asyncio.run(first.stop())
