"""The test of the test: nine ways to break the protocol are caught within a few seeds that the real one passes."""

import pytest

from AgentOperatingSystem.proof.simulator.simulation import simulate
from AgentOperatingSystem.proof.simulator.world import Build
from tests.simulation.mutants import MUTANTS

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_real_protocol_passes(seed: int) -> None:
    assert simulate(seed).verdict.all() == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant: str) -> None:
    build: Build = MUTANTS[mutant]
    assert next((seed for seed in SEEDS if simulate(seed, build).verdict.all()), None) is not None


def test_there_are_nine() -> None:
    assert len(MUTANTS) == 9
