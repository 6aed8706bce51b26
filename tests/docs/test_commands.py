"""The commands that README and docs show are typed here: they run, and print what the page says."""

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, blocks_of
from tests.docs.session import NOT_RUN, Command, commands_of, matches, session

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
KNOWN = ("aos ", "cd ", "curl ", "export ", "printf ", *NOT_RUN)
"""What this file, or the test of the triage desk, knows how to check."""


def commands_in(page: Path) -> list[Command]:
    return [command for block in blocks_of(page) for command in commands_of(block)]


PAGES_WITH_SESSIONS = [page for page in PAGES if any(command.is_run for command in commands_in(page))]


@pytest.mark.parametrize("page", PAGES_WITH_SESSIONS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_commands_do_what_it_says(page: Path, tmp_path: Path) -> None:
    for tool in ("bash", "curl", "timeout"):
        if shutil.which(tool) is None:
            pytest.fail(f"this test types the commands of {page.name} into a shell and needs {tool}: install it")
    for name in ("examples", "function_app.py", "host.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    with session(tmp_path) as terminal:
        for block in blocks_of(page):
            if "file" in block.marks:
                (tmp_path / block.marks["file"]).write_text(block.text)
            for command in commands_of(block):
                if command.is_run:
                    terminal.type(command)


def test_the_readme_is_typed() -> None:
    assert ROOT / "README.md" in PAGES_WITH_SESSIONS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_that_somebody_checks(page: Path) -> None:
    assert [command.text for command in commands_in(page) if not command.text.startswith(KNOWN)] == []


def test_every_make_target_is_there() -> None:
    typed = [command.text.split() for page in PAGES for command in commands_in(page) if command.text.startswith("make")]
    asked = {word for words in typed for word in words[1:2] if "=" not in word}
    assert asked >= {"run", "test"}
    assert asked - TARGETS == set()


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        (("total 3",), "total 3\n", True),
        (("total 3",), "total 4\n", False),
        (("a …", "c"), "a b\nc\n", True),
        (("…", "last"), "first\nsecond\nlast\n", True),
        (("…", "last"), "first\nsecond\n", False),
        (("…", "last"), "first\nlast\nmore\n", False),
        (("a   b",), "a b", True),
    ],
)
def test_what_is_shown_is_compared(expected: tuple[str, ...], printed: str, fits: bool) -> None:
    assert matches(expected, printed) is fits
