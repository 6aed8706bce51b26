"""A thinking team is killed with -9 between and inside its turns: what was said, who is next and who belongs to it are
as in a run that nobody disturbed.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.team_child import EVENTS
from tests.unit.agents.minds import system
from tests.unit.agents.teams import KINDS, made, undated

CHILD = Path(__file__).with_name("team_child.py")
TIMEOUT_SECONDS = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


def killed_at(folder: Path, kind: str, line: str, times: int) -> list[str]:
    """What a host prints until it prints `line` so often, and is killed at once."""
    lines: list[str] = []
    command = [sys.executable, str(CHILD), str(folder), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        for printed in host.stdout:
            lines.append(printed.strip())
            if lines.count(line) == times:
                break
        host.kill()
    return lines


def finished(folder: Path, kind: str) -> list[str]:
    command = [sys.executable, str(CHILD), str(folder), kind]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


async def state_in(folder: Path, kind: str) -> Any:
    async with system(folder, made(kind)) as aos:
        return undated(await aos.context_server("team").load_state())


@pytest.mark.parametrize("kind", KINDS)
async def test_the_state_is_that_of_an_undisturbed_run(tmp_path: Path, kind: str) -> None:
    undisturbed = finished(tmp_path / "one", kind)
    inside = killed_at(tmp_path / "killed", kind, "asked", 2)
    assert not set(inside) & set(EVENTS)
    between = killed_at(tmp_path / "killed", kind, "e2", 1)
    assert between[-1] == "e2"
    assert "e4" in finished(tmp_path / "killed", kind)
    assert await state_in(tmp_path / "killed", kind) == await state_in(tmp_path / "one", kind)
    assert set(EVENTS) < set(undisturbed)
