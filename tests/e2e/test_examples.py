"""Each numbered example is short, runs without a warning, and prints what its docstring says that it prints."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[0-9][0-9]_*.py"))
LINES_MAX = 40


def promised(path: Path) -> str:
    """What the docstring says below `Prints:`."""
    docstring = ast.get_docstring(ast.parse(path.read_text()), clean=True) or ""
    _, said, output = docstring.partition("\n\nPrints:\n\n")
    assert said, f"{path.name} does not say what it prints"
    return dedent(output).strip()


def run(path: Path, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_they_are_numbered_without_gaps() -> None:
    assert [path.name[:2] for path in EXAMPLES] == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX
    assert run(path, tmp_path) == promised(path)


def test_the_first_one_counts_on_when_it_is_run_again(tmp_path: Path) -> None:
    assert run(EXAMPLES[0], tmp_path) == "1\n2\n3"
    assert run(EXAMPLES[0], tmp_path) == "4\n5\n6"
