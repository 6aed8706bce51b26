"""The test of the test: ways to break the protocol, and the journal, are caught within a few seeds that the real ones
pass.
"""

from collections.abc import Callable
from typing import Any

import pytest

from AgentOperatingSystem.proof.simulator.simulation import simulate
from AgentOperatingSystem.proof.simulator.world import Build
from tests.simulation.mutants import MUTANTS
from tests.simulation.step_mutants import MUTANTS as STEP_MUTANTS

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


STEP_SEEDS = (4, 10, 45, 0, 122)
"""Worlds of one to four seconds each that catch every mutant between them."""
CATCHES = {
    "effect_before_its_reason": 45,
    "question_forgotten": 10,
    "run_of_a_timer_lost": 122,
    "late_charge_never_corrected": 0,
}
"""The world to look at first, where it is not that of the first seed."""


@pytest.mark.parametrize("seed", STEP_SEEDS)
def test_the_real_journal_passes(seed: int) -> None:
    assert simulate(seed, steps=True).verdict.all() == []


@pytest.mark.parametrize("break_it", STEP_MUTANTS)
def test_a_broken_journal_is_caught(break_it: Callable[[pytest.MonkeyPatch], Build], monkeypatch: Any) -> None:
    build = break_it(monkeypatch)
    first = CATCHES.get(break_it.__name__, STEP_SEEDS[0])
    seeds = sorted(STEP_SEEDS, key=lambda seed: seed != first)
    caught = (seed for seed in seeds if simulate(seed, build, steps=True).verdict.all())
    assert next(caught, None) is not None


def test_each_way_to_break_the_journal_is_another() -> None:
    assert len({each.__name__ for each in STEP_MUTANTS}) == len(STEP_MUTANTS) >= 13
