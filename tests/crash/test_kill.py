"""Real processes killed with SIGKILL at every named point and at random: nothing is lost, nothing is applied twice."""

import pytest

from AgentOperatingSystem.proof.kill import run_kills
from AgentOperatingSystem.proof.kill.points import POINTS
from tests.postgres import server

SEED = 20_261_120


@pytest.mark.parametrize(
    ("kills", "hosts", "split"),
    [
        pytest.param(120, 1, False, id="one host, one transaction"),
        pytest.param(60, 1, True, id="one host, commit then relay then settle"),
        pytest.param(40, 2, False, id="two hosts on one file"),
        pytest.param(30, 2, True, id="two hosts, commit then relay then settle"),
    ],
)
def test_nothing_is_lost_and_nothing_applied_twice(kills: int, hosts: int, split: bool) -> None:
    report = run_kills(kills, seed=SEED, hosts=hosts, split=split)
    assert "failures" not in report, report["failures"]
    assert (report["lost"], report["applied_twice"], report["stuck"]) == (0, 0, 0)
    assert report["kills"] >= kills
    if kills >= 100:
        assert set(report["by_kind"]) >= {*POINTS, "at random"}


def test_nothing_is_lost_between_two_hosts_that_share_one_database() -> None:
    report = run_kills(40, seed=SEED, hosts=2, database_url=server().url, database_schema="killed")
    assert "failures" not in report, report["failures"]
    assert (report["lost"], report["applied_twice"], report["stuck"]) == (0, 0, 0)
    assert report["kills"] >= 40
