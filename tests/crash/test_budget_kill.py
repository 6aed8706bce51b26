"""A host is killed with -9 within a model call, again and again: the budget holds over all of its lives."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.budget_child import CALLS

CHILD = Path(__file__).with_name("budget_child.py")
LIVES_MAX = 3 * CALLS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


def life(folder: Path) -> str:
    """The first line that a host prints, which is killed then."""
    with subprocess.Popen([sys.executable, str(CHILD), str(folder)], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        line = host.stdout.readline().strip()
        host.kill()
    return line


def test_a_crash_loop_spends_the_limit_and_no_more(tmp_path: Path) -> None:
    lines = [life(tmp_path)]
    while lines[-1] == "asked" and len(lines) < LIVES_MAX:
        lines.append(life(tmp_path))
    assert lines == [*(["asked"] * CALLS), "waiting"]
    assert (tmp_path / "asked").read_text().splitlines() == ["asked"] * CALLS
