"""A team that gives money back is killed with -9 at every step and in every call: `aos faults --refunds N` in short."""

import sys

import pytest

from AgentOperatingSystem.proof.refunds import run_refunds
from AgentOperatingSystem.proof.refunds.run import INSIDE, POINTS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


def test_no_refund_twice_no_answer_paid_twice_and_doubt_just_where_it_is_due() -> None:
    report = run_refunds(len(POINTS))
    assert report.get("failures", []) == []
    assert (report["lost"], report["applied_twice"], report["answers_paid_twice"]) == (0, 0, 0)
    assert report["in_doubt"] >= 2
    assert {f"{point} {countdown}" for point, countdown in INSIDE} <= set(report["by_kind"])


def test_the_judge_would_notice() -> None:
    """AutoGen alone, killed at the same points, pays twice and gives back twice: the judge's counts are no zeros."""
    from AgentOperatingSystem.proof.refunds.plain import run_plain

    plain = run_plain(len(INSIDE), INSIDE)
    assert plain["kills"] == len(INSIDE)
    assert plain["refunds_twice"] > 0
    assert plain["model_calls_again"] > 0
