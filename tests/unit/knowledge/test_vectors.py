"""Snapshots of vectors, and two rankings made one."""

import numpy as np
import pytest

from AgentOperatingSystem.knowledge.fusion import cover_of, fused
from AgentOperatingSystem.knowledge.vectors import Vectors, nearest, packed, snapshot, without

ROWS = [(number, packed([float(number % 3), 1.0, float(number % 2)])) for number in range(1, 9)]


def same(one: Vectors, other: Vectors) -> bool:
    return all(
        np.allclose(getattr(one, name), getattr(other, name))
        for name in ("numbers", "matrix", "lengths", "having", "rarity", "beside")
    )


def test_a_snapshot_that_grew_or_shrank_is_that_of_its_rows() -> None:
    whole = snapshot(2, 1, ROWS, 3)
    assert same(snapshot(2, 1, ROWS[5:], 3, snapshot(1, 1, ROWS[:5], 3)), whole)
    assert same(without(whole, [2, 3, 7], 3), snapshot(3, 1, [ROWS[1], ROWS[2], ROWS[6]], 3))
    assert without(whole, [], 3).last == 0


def test_the_largest_value_is_127_and_nonsense_is_refused() -> None:
    assert list(np.frombuffer(packed([0.5, -1.0, 0.0]), dtype=np.int8)) == [64, -127, 0]
    assert packed([0.0, 0.0]) == b"\0\0"
    for nonsense in ([], [float("inf")]):
        with pytest.raises(ValueError, match="not a vector"):
            packed(nonsense)


def test_by_rarity_what_every_passage_has_counts_nothing() -> None:
    rows = [(1, packed([1, 0, 1])), (2, packed([1, 1, 0])), (3, packed([1, 0, 0])), (4, packed([1, 0, 0]))]
    vectors = snapshot(1, 1, rows, 3)
    assert nearest(vectors, [5.0, 0.0, 1.0], 1, None, True)[0][0] == 1
    assert nearest(vectors, [5.0, 0.0, 1.0], 1, [2, 3], True)[0][0] in (2, 3)


def test_a_match_by_word_counts_as_far_as_it_covers_the_question() -> None:
    assert [each for each, _ in fused(["m"], ["w"], {"w": 1.0})] == ["w", "m"]
    assert [each for each, _ in fused(["m"], ["w"], {"w": 0.2})] == ["m", "w"]
    assert fused(["m", "both"], ["w", "both"], {"w": 0.5, "both": 1.0})[0][0] == "both"
    assert cover_of("Who paid the invoices?", "An invoice was paid.") == 1.0
    assert cover_of("Who paid the plumber?", "An invoice was paid.") == 0.5
    assert cover_of("what is it", "anything") == 0.0
