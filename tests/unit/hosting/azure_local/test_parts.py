"""The parts of a stack: what they need, what they are told, and how they end."""

import os
import sys
import time
from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.azure_local import azurite, wiring
from AgentOperatingSystem.hosting.azure_local.namespace import LOG, namespace
from AgentOperatingSystem.hosting.azure_local.parts import Part
from AgentOperatingSystem.hosting.azure_local.stack import alone

ROOT = Path(__file__).parents[4]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks of POSIX")


def test_where_node_is_missing_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"Node\.js 20 or newer"):
        azurite.command()


def test_without_a_checkout_the_path_has_azurite_or_the_error_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node", "azurite"):
        monkeypatch.setenv("PATH", str(tmp_path))
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        if name == "node":
            with pytest.raises(ConfigurationError, match=r"npm install -g azurite@3\.37\.0"):
                azurite.command(tmp_path)
    assert azurite.command(tmp_path) == [str(tmp_path / "azurite")]


def test_the_pinned_version_is_the_one_that_tests_install() -> None:
    assert f'"azurite": "{azurite.PINNED}"' in (ROOT / "tests/azurite/package.json").read_text()


def test_an_account_or_a_namespace_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="which agents"):
        wiring.check(AOSConfig(config_dir=tmp_path), ROOT)
    for name, value in (
        ("storage_account_url", "https://x.table.core.windows.net"),
        ("servicebus_fully_qualified_namespace", "x.servicebus.windows.net"),
    ):
        with pytest.raises(ConfigurationError, match=f"{name} is set"):
            wiring.check(AOSConfig(config_dir=tmp_path, app="app.py", **{name: value}), ROOT)


def test_the_settings_are_kept_for_their_owner_as_a_shell_reads_them(tmp_path: Path) -> None:
    config = AOSConfig(config_dir=tmp_path, app="app.py", data_dir=tmp_path)
    found = wiring.settings(config, "account", "Endpoint=sb://x;UseDevelopmentEmulator=true;", "token", tmp_path)
    wiring.keep(tmp_path, found)
    path = wiring.file_of(config)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (
        "export AOS_SERVICEBUS_CONNECTION_STRING='Endpoint=sb://x;UseDevelopmentEmulator=true;'\n" in path.read_text()
    )
    assert (found["AOS_STORE"], found["AOS_BUS"], found["AOS_SERVICEBUS_LOG_SUBSCRIPTION"]) == (
        "azure",
        "servicebus",
        LOG,
    )


def test_the_namespace_has_what_the_configuration_names(tmp_path: Path) -> None:
    config = AOSConfig(config_dir=tmp_path, servicebus_queue="q", servicebus_topic="t")
    made = namespace(config, more=("others",))
    (queue,), (topic,) = made.queues, made.topics
    assert (queue.name, queue.holding.requires_session) == ("q", True)
    assert queue.entrance.duplicate_window_seconds == 600
    assert (topic.name, [each.name for each in topic.subscriptions]) == ("t", ["aos-router", "others", LOG])


def test_one_stack_runs_on_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ConfigurationError, match="another"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


async def test_a_part_that_ends_before_it_is_ready_says_so() -> None:
    part = await Part.start("it", [sys.executable, "-c", "print('no'); raise SystemExit(3)"], os.environ)
    with pytest.raises(ConfigurationError, match="it ended by itself, with status 3"):
        await part.until(lambda line: line == "yes", 30)


async def test_a_part_that_does_not_want_to_end_is_ended() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: None); print('yes', flush=True)\n"
    part = await Part.start("it", [sys.executable, "-c", program + "while True: time.sleep(1)"], os.environ)
    await part.until(lambda line: line == "yes", 30)
    began = time.monotonic()
    await part.stop(0.2)
    assert (part.status, time.monotonic() - began < 5) == (-9, True)


async def test_what_cannot_be_started_is_named() -> None:
    with pytest.raises(ConfigurationError, match="it cannot be started: /no/such/program"):
        await Part.start("it", ["/no/such/program"], {})
