"""host.json and local.settings.json as the local Functions host reads them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.app_settings import AppSettings, QueueSettings, read, span

ROOT = Path(__file__).parents[4]


def in_folder(folder: Path, host: object, local: object = None) -> AppSettings:
    (folder / "host.json").write_text(json.dumps(host))
    if local is not None:
        (folder / "local.settings.json").write_text(json.dumps(local))
    return read(folder, {"SET": "outside"})


def test_our_own_files_are_read() -> None:
    settings = read(ROOT, {})
    assert settings.service_bus.max_concurrent_sessions == 32
    assert settings.service_bus.session_idle_timeout == timedelta(seconds=2)
    assert settings.queues.max_dequeue_count == 100
    assert settings.function_timeout == timedelta(minutes=10)


def test_the_example_of_local_settings_is_one(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text((ROOT / "host.json").read_text())
    (tmp_path / "local.settings.json").write_text((ROOT / "local.settings.json.example").read_text())
    assert read(tmp_path, {}).value("AOS_APP") == "examples.triage_desk.agents"


def test_what_is_not_said_has_the_vendor_s_default(tmp_path: Path) -> None:
    settings = in_folder(tmp_path, {"extensions": {"http": {"routePrefix": ""}}})
    assert settings.queues == QueueSettings()
    assert (settings.service_bus.max_concurrent_calls, settings.queues.max_dequeue_count) == (16, 5)


def test_the_environment_wins_and_names_are_resolved(tmp_path: Path) -> None:
    values = {"Values": {"SET": "inside", "QUEUE": "mail"}}
    settings = in_folder(tmp_path, {"extensions": {"http": {"routePrefix": ""}}}, values)
    assert (settings.value("SET"), settings.resolved("%QUEUE%-box")) == ("outside", "mail-box")
    with pytest.raises(ConfigurationError, match="the app setting NOWHERE is not there"):
        settings.resolved("%NOWHERE%")


@pytest.mark.parametrize(
    ("host", "local", "complaint"),
    [
        ({}, None, "routePrefix must be"),
        ([], None, "must hold one JSON object"),
        ({"extensions": {"http": {"routePrefix": ""}}, "functionTimeout": "ten"}, None, "'ten' is no time span"),
        ({"extensions": {"http": {"routePrefix": ""}}}, {"Values": {"PORT": 7}}, "Values.PORT is not a text"),
    ],
)
def test_what_is_wrong_is_named(host: object, local: object, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        in_folder(tmp_path, host, local)


def test_a_folder_without_host_json_is_none_of_an_app(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"host\.json: No such file"):
        read(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:02", 2), ("1.02:03:04", 93784), ("00:00:00.25", 0.25), ("23:59:59", 86399)]
)
def test_spans_are_net_s(text: str, seconds: float) -> None:
    assert span(text).total_seconds() == seconds
