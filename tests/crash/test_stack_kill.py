"""A whole deployment on one machine is attacked, `aos faults --stack` in short: Functions hosts, a worker and the
broker killed with -9, connections cut, a host stopped past its lock, events sent again behind the detection window.
"""

import sys

import pytest

from AgentOperatingSystem.proof.stack.run import run_stack
from tests.emulator import emulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
SEED = 1
KILLS = 2


def test_nothing_is_lost_nor_applied_twice_and_order_is_kept() -> None:
    report = run_stack(KILLS, emulator().connection_string, seed=SEED)
    assert "failures" not in report, report["failures"]
    assert (report["lost"], report["applied_twice"], report["stuck"]) == (0, 0, 0)
    assert report["kills"] >= KILLS
    assert report["events"] > 0
    assert report["by_kind"]["sent again behind the window"] > 0
