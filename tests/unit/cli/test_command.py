"""Whatever goes wrong ends as one line and an exit code."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.core import TyperGroup

from AgentOperatingSystem.cli import app as tree
from AgentOperatingSystem.cli import commands as commands  # fills the tree
from AgentOperatingSystem.cli.command import command, finish
from AgentOperatingSystem.cli.output import Output
from AgentOperatingSystem.cli.system import Server, System
from AgentOperatingSystem.errors import IllegalTransition
from tests.unit.cli.conftest import Aos


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A tree of its own, in the place of the real one."""
    made = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
    made.callback()(lambda: None)
    monkeypatch.setattr(tree, "app", made)
    return made


def test_what_is_needed_brings_its_options(probe: typer.Typer, aos: Aos) -> None:
    seen: list[object] = []

    @command(probe, "x")
    def x(
        name: Annotated[str, typer.Argument()], system: System, out: Output, many: Annotated[int, typer.Option()] = 1
    ) -> None:
        seen.extend([name, many, system.url, system.token, system.app, str(system.settings.data_dir), out.as_json])

    given = ("--url", "http://127.0.0.1:5", "--token", "the-token", "--data", "d", "--app", "a.py", "--json")
    assert aos("x", "n", "--many", "2", *given).code == 0
    assert seen == ["n", 2, "http://127.0.0.1:5", "the-token", "a.py", "d", True]


def test_what_needs_a_server_loads_no_agents(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x(system: Server) -> None:
        """Nothing."""

    assert aos("x", "--app", "a.py").code == 2


def test_an_error_is_one_line_and_its_code(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x() -> None:
        raise IllegalTransition("not from\nhere")

    assert aos("x") == (5, "", "aos: not from here\n")


def test_debug_adds_the_traceback(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x() -> None:
        raise IllegalTransition("no")

    ran = aos("x", "--debug")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("Traceback (most recent call last):")
    assert ran.err.endswith("aos: no\n")


def test_a_bug_says_how_to_see_more(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x() -> None:
        raise KeyError("lost")

    assert aos("x") == (1, "", "aos: a bug: KeyError: 'lost'; run it again with --debug for the traceback\n")
    assert "Traceback" in aos("x", "--debug").err


def test_a_command_can_end_with_a_code_of_its_own(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x(code: int) -> None:
        finish(code)

    assert [aos("x", "0").code, aos("x", "3").code] == [0, 3]


def test_ctrl_c(probe: typer.Typer, aos: Aos) -> None:
    @command(probe, "x")
    def x() -> None:
        raise KeyboardInterrupt

    assert aos("x").code == 130


def test_the_system_is_closed_whatever_happens(probe: typer.Typer, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(System, "close", lambda self: closed.append(True))

    @command(probe, "x")
    def x(system: System) -> None:
        raise KeyError("lost")

    aos("x")
    assert closed == [True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "aos: No such command 'nope'; see `aos --help`"),
        (["ps", "--jsn"], "aos: No such option: --jsn (Possible options: --json); see `aos ps --help`"),
        (["send"], "aos: Missing argument 'AGENT'; see `aos send --help`"),
        (["schedule", "nope"], "aos: No such command 'nope'; see `aos schedule --help`"),
        (["ps", "--limit", "x"], "aos: Invalid value for '--limit': 'x' is not a whole number; see `aos ps --help`"),
        (["ps", "--limit", "1001"], "aos: Invalid value for '--limit': 1001 is not 1 to 1000; see `aos ps --help`"),
        (["tail", "--count", "0"], "aos: Invalid value for '--count': 0 is not at least 1; see `aos tail --help`"),
        (["send", "a", "--wait", "x"], "aos: Invalid value for '--wait': 'x' is not a number; see `aos send --help`"),
        (["send", "a", "--wait", "nan"], "aos: --wait nan: 0 to 300 seconds"),
        (["tail", "a", "--topic", "x"], "aos: --topic: publications have topics, an agent's outcomes have none"),
        (["version", "more"], "unexpected extra argument"),
        (["send", "a\udcff"], "aos: argument 2 is not valid UTF-8"),
        (["ps", "--url", "ftp://x"], "runtime argument url: url = 'ftp://x': a URL looks like http://"),
        (["ps", "--token", "a b"], "runtime argument token: token: a secret needs at least 8 characters"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(aos: Aos, arguments: list[str], message: str) -> None:
    ran = aos(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["schedule"], ["quarantine"], ["config"]])
def test_without_a_command_there_is_help(aos: Aos, arguments: list[str]) -> None:
    ran = aos(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(['aos', *arguments])} ")


def test_every_command_speaks_json_but_the_one_whose_wire_is_standard_output() -> None:
    silent = [path for path, options in leaves(typer.main.get_command(tree.app), "aos") if "--json" not in options]
    assert silent == ["aos mcp"]


def leaves(node: object, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, TyperGroup):
        for name, below in node.commands.items():
            yield from leaves(below, f"{path} {name}")
    else:
        yield path, [option for each in getattr(node, "params", ()) for option in each.opts]


def test_version(aos: Aos) -> None:
    found = json.loads(aos("version", "--json").out)
    assert list(found) == ["version", "python", "sqlite", "platform", "executable"]
    assert aos("version").out.startswith(f"aos {found['version']} (Python {found['python']}, ")


def test_config_show(aos: Aos, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_TOKEN", "a-secret-token")
    found = json.loads(aos("config", "show", "--json").out)
    assert found["port"] == {"value": 1, "origin": "environment AOS_PORT"}
    assert found["tenant"] == {"value": "default", "origin": "default"}
    assert list(json.loads(aos("config", "show", "--given", "--json").out)) == ["port", "token"]
    table = aos("config", "show").out
    assert "a-secret-token" not in table
    assert [line.split() for line in table.splitlines() if line.startswith("port ")] == [
        ["port", "1", "environment", "AOS_PORT"]
    ]
    monkeypatch.setenv("AOS_PROT", "1")
    ran = aos("config", "show")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "aos: environment variable AOS_PROT is not a setting (did you mean AOS_PORT?)\n"


def test_a_reader_that_leaves_early_ends_it_quietly(bare: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        code = "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        for arguments in (["config", "show"], ["--help"], ["config", "show", "--json"]):
            ran = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                env=environment,
                stdout=closed,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
            assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_terminal_without_unicode_shows_it_spelled_out(monkeypatch: pytest.MonkeyPatch, aos: Aos) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", narrow)
    assert tree.run(["init", "ü"]) == 2
    assert tree.run(["version", "--json"]) == 0
