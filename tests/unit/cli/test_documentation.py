"""docs/cli.md holds every command's help as it is, and the exit codes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from AgentOperatingSystem.cli import commands as commands  # fills the tree
from AgentOperatingSystem.cli.app import app, run
from AgentOperatingSystem.cli.exits import MEANINGS

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
WIDTH = "100"


def tree(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from tree(below, f"{path} {name}")


COMMANDS = dict(tree(typer.main.get_command(app), "aos"))


def help_of(path: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A command's part of the page, as the command prints it; paste it there where this file fails."""
    assert run([*path.split()[1:], "--help"]) == 0
    return f"### `{path}`\n\n```text\n{capsys.readouterr().out.strip()}\n```\n"


def exit_codes() -> str:
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return f"| code | meaning |\n|---|---|\n{rows}"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)


@pytest.mark.parametrize("path", COMMANDS)
def test_the_page_holds_the_help_of_each_command(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert help_of(path, capsys) in PAGE


def test_the_page_holds_no_other_command() -> None:
    assert {line[5:-1] for line in PAGE.splitlines() if line.startswith("### `")} == set(COMMANDS)


def test_the_page_holds_the_exit_codes() -> None:
    assert exit_codes() in PAGE


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert [each.name for each in command.params if not getattr(each, "help", "")] == []
