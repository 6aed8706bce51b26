"""The simulator: a hundred thousand faults of every kind, no broken promise; the same seed is the same world."""

import subprocess
import sys
from collections import Counter

import pytest

from AgentOperatingSystem.proof.simulator.faults import Faults, Journal
from AgentOperatingSystem.proof.simulator.plan import KINDS, Plan, plan_for
from AgentOperatingSystem.proof.simulator.run import run
from AgentOperatingSystem.proof.simulator.simulation import Outcome, simulate

FAULTS = 100_000
SEEDS = 140
SHARE_MIN = 0.01
SEED = 2
"""A small world, in which hosts crash."""
HASH_OF = """
import sys
from AgentOperatingSystem.proof.simulator.simulation import simulate
print(*(simulate(int(seed)).digest for seed in sys.argv[1:]))
"""


@pytest.mark.timeout(900)
def test_a_hundred_thousand_faults_break_no_promise() -> None:
    report = run(SEEDS, worlds=(False,))
    assert report.get("failures", []) == []
    assert (report["lost"], report["applied_twice"], report["stuck"]) == (0, 0, 0)
    assert report["faults"] >= FAULTS
    assert {kind for kind in KINDS if report["by_kind"][kind] < SHARE_MIN * report["faults"]} == set()


@pytest.fixture(scope="module")
def world() -> Outcome:
    return simulate(SEED, keep=100_000)


def test_the_same_seed_is_the_same_world_in_any_process(world: Outcome) -> None:
    def elsewhere(hash_seed: str) -> str:
        command = [sys.executable, "-c", HASH_OF, str(SEED)]
        return subprocess.run(
            command, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True, timeout=120
        ).stdout.strip()

    assert {elsewhere("1"), elsewhere("2"), world.digest} == {world.digest}


def test_another_seed_is_another_world(world: Outcome) -> None:
    assert simulate(4).digest != world.digest


def test_the_order_of_processes_does_not_change_a_report() -> None:
    assert run(3, first_seed=10, processes=2) == run(3, first_seed=10, processes=1)


def test_a_fault_counts_where_it_struck_an_operation(world: Outcome) -> None:
    struck = [line for line in world.lines if " ! " in line]
    assert len(struck) == world.faults > 100
    assert {line.rpartition(" ! ")[2] for line in struck} == {kind for kind, times in world.counts.items() if times}


def test_no_fault_strikes_after_their_time(world: Outcome) -> None:
    quiet = world.lines.index(next(line for line in world.lines if line.endswith("no more faults")))
    assert not any(" ! " in line for line in world.lines[quiet:])


def test_hosts_crash_and_start_again(world: Outcome) -> None:
    starts = sum(line.endswith(" starts") for line in world.lines)
    hosts = plan_for(SEED).hosts
    assert hosts < starts <= hosts + world.counts["crash"]  # two operations may crash one host in the same instant


@pytest.mark.virtual_time
async def test_faults_strike_as_often_as_planned() -> None:
    def counted(plan: Plan) -> dict[str, int]:
        faults = Faults(plan, Journal())
        drawn = [faults.at_operation("bus.send", 0) for _ in range(10_000)]
        return {kind: drawn.count(kind) for kind in set(drawn) - {""}}

    plan = plan_for(5)
    found = counted(plan)
    assert all(abs(found[kind] / 10_000 - rate) < 0.02 for kind, rate in plan.rates)


STEP_SEEDS = range(100, 109)
"""Without the largest worlds, of half a minute each: `aos faults` runs those."""
RUNNING_SEED = 56
"""A small world in which an event is cancelled while its handler runs, which is rare."""


def test_steps_are_kept_whatever_befalls_their_hosts() -> None:
    report = run(len(STEP_SEEDS), first_seed=STEP_SEEDS.start, worlds=(True,))
    assert report.get("failures", []) == []
    running = simulate(RUNNING_SEED, steps=True)
    assert running.verdict.all() == []
    done = Counter(report["done"]) + Counter(running.seen)
    assert set(running.seen) - set(done) == set()
    assert done["steps"] > 1000


def test_the_same_seed_is_the_same_world_with_steps() -> None:
    assert simulate(SEED, steps=True).digest == simulate(SEED, steps=True).digest
