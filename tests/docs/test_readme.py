"""What README shows of the triage desk is what the desk shows, killed in the middle and run again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.session import free_port

README = (ROOT / "README.md").read_text()
COMMAND = (sys.executable, "-m", "examples.triage_desk")
KILLED_AFTER = 60


def shown(title: str) -> list[str]:
    """The lines of a picture of the desk."""
    text = README.partition(f"<!-- desk: {title} -->\n```text\n")[2].partition("```")[0]
    return [form(line) for line in text.splitlines() if line != "…"]


def form(line: str) -> str:
    """A line with every number as 0 and every space as one."""
    return re.sub(r"\s+", " ", re.sub(r"\d+", "0", line)).strip()


def environment(folder: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    return given | {"AOS_DATA_DIR": str(folder / "data"), "AOS_PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}


def killed(folder: Path) -> list[str]:
    """What the desk prints until it is killed with some deliveries applied."""
    lines: list[str] = []
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        for line in desk.stdout:
            lines.append(line)
            if sum(".changed" in each for each in lines) == KILLED_AFTER or "What the agents remember" in line:
                desk.kill()
                break
    return lines


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_the_desk_is_what_the_readme_shows(tmp_path: Path) -> None:
    until_killed = [form(line) for line in killed(tmp_path)]
    again = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(tmp_path) | {"ONCE": "1"}, capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 0, again.stderr
    ran_again = [form(line) for line in again.stdout.splitlines()]
    assert [line for line in shown("until it is killed") if line not in until_killed] == []
    assert [line for line in shown("run again") if line not in ran_again] == []
    total, applied, before = map(
        int, re.findall(r"(\d+) deliveries: (\d+) applied in this run, (\d+)", again.stdout)[0]
    )
    assert total == applied + before
    assert 0 < applied < total
    assert f"{total} deliveries" in README


def test_the_pictures_are_there() -> None:
    assert len(shown("until it is killed")) >= 3
    assert len(shown("run again")) >= 5


def test_it_fits_one_sitting() -> None:
    assert len(README.splitlines()) <= 150
