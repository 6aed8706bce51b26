"""Hosts on tables and a queue are killed with -9, within a request or between two: `aos faults --store azurite`.

The emulator lives on: it is the service.
"""

import sys

import pytest

from AgentOperatingSystem.proof.kill import run_kills
from AgentOperatingSystem.proof.refunds import run_refunds
from tests.emulator import emulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
SEED = 20_261_121
BEFORE_THE_REFUND = 24
"""The seed that begins with the kills inside the refund."""


def test_two_hosts_on_one_account_lose_nothing_and_apply_nothing_twice() -> None:
    report = run_kills(6, seed=SEED, hosts=2, storage=emulator().connection_string)
    assert "failures" not in report, report["failures"]
    assert (report["lost"], report["applied_twice"], report["stuck"]) == (0, 0, 0)
    assert report["kills"] >= 6


def test_no_refund_twice_no_answer_paid_twice_and_doubt_just_where_it_is_due() -> None:
    report = run_refunds(3, seed=BEFORE_THE_REFUND, storage=emulator().connection_string)
    assert report.get("failures", []) == []
    assert (report["lost"], report["applied_twice"], report["answers_paid_twice"]) == (0, 0, 0)
    assert report["in_doubt"] == 2
