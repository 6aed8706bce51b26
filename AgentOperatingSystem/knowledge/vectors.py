"""The vectors of one collection in memory, and the search for the nearest. Pure; numpy is loaded with this module.

`sqlite` keeps one of these per collection that is searched, and calls `nearest` in a thread. A vector is kept as one
signed byte per dimension, so 100,000 passages of the local embedder take 150 MB, and sums of products are exact whole
numbers on every platform.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
_BLOCK_ROWS = 4096
_NEIGHBOURS_MAX = 8192
# How much of the question is replaced by what stands beside its words in this collection.
_NEIGHBOUR_SHARE = 0.3
# With long passages somewhat preferred: a sparse vector's length grows with the text, and so does what it is about.
_LENGTH_POWER = 0.7
_DIGITS = 5


def packed(vector: Sequence[float]) -> bytes:
    """A vector as one signed byte per dimension, its largest value as 127. Raises `ValueError` for none, or NaN."""
    values = np.asarray(vector, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError("not a vector of numbers")
    largest = float(np.abs(values).max())
    scaled = np.rint(values * (127.0 / largest)) if largest else values
    return bytes(scaled.astype(np.int8).tobytes())


@dataclass(frozen=True, slots=True)
class Vectors:
    """A snapshot: row i of `matrix` belongs to the passage with the number `numbers[i]`."""

    version: int
    epoch: int
    numbers: npt.NDArray[np.int64]
    matrix: npt.NDArray[np.int8]
    lengths: Floats
    having: npt.NDArray[np.int64]
    """For each dimension: how many passages have it."""
    rarity: Floats
    """For each dimension: near 0 where every passage has it, large where few do."""
    beside: Floats
    """A sample of the passages, weighted by rarity, each of length 1: what stands beside what."""

    @property
    def size_bytes(self) -> int:
        return self.matrix.nbytes + self.beside.nbytes

    @property
    def last(self) -> int:
        """The highest number; 0 where there is none."""
        return int(self.numbers[-1]) if self.numbers.size else 0


def snapshot(
    version: int, epoch: int, rows: Sequence[tuple[int, bytes]], dimensions: int, before: "Vectors | None" = None
) -> Vectors:
    """The rows, behind those of `before` where that is given; only the new ones are measured."""
    numbers = np.fromiter((number for number, _ in rows), dtype=np.int64, count=len(rows))
    matrix = np.frombuffer(b"".join(vector for _, vector in rows), dtype=np.int8).reshape(len(rows), dimensions)
    lengths, having = _measured(matrix)
    if before is not None:
        numbers, lengths = np.concatenate([before.numbers, numbers]), np.concatenate([before.lengths, lengths])
        matrix, having = np.concatenate([before.matrix, matrix]), before.having + having
    return _made(version, epoch, numbers, matrix, lengths, having)


def without(vectors: Vectors, present: Sequence[int], version: int) -> Vectors:
    """Only the rows whose numbers are present."""
    kept = np.isin(vectors.numbers, np.asarray(present, dtype=np.int64))
    having = vectors.having - _measured(vectors.matrix[~kept])[1]
    return _made(version, vectors.epoch, vectors.numbers[kept], vectors.matrix[kept], vectors.lengths[kept], having)


def nearest(
    vectors: Vectors, question: Sequence[float], limit: int, only: Sequence[int] | None, by_rarity: bool
) -> list[tuple[int, float]]:
    """Numbers and cosines, the nearest first; of equals, the one that was put in first.

    By rarity, what stands beside the question's words in this collection ranks too; the cosine is the question's alone.
    """
    asked = np.asarray(question, dtype=np.float32)
    if not vectors.numbers.size or not float(np.abs(asked).max()):
        return []
    direct = asked * vectors.rarity if by_rarity else asked
    ranked = _widened(vectors, direct) if by_rarity else direct
    products = np.concatenate([block @ ranked for block in _blocks(vectors.matrix)])
    power = _LENGTH_POWER if by_rarity else 1.0
    scores = np.round(products / np.maximum(vectors.lengths, 1.0) ** power, _DIGITS)
    rows = np.arange(scores.size) if only is None else np.flatnonzero(np.isin(vectors.numbers, np.asarray(only)))
    best = rows[np.argsort(-scores[rows], kind="stable")[:limit]]
    lengths = np.maximum(vectors.lengths[best] * float(np.linalg.norm(direct)), 1e-9)
    cosines = (vectors.matrix[best].astype(np.float32) @ direct) / lengths
    return [
        (int(vectors.numbers[row]), round(float(cosine), _DIGITS)) for row, cosine in zip(best, cosines, strict=True)
    ]


def _measured(matrix: npt.NDArray[np.int8]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The rows' lengths, and how many rows have each dimension."""
    lengths = [np.sqrt(np.einsum("ij,ij->i", block, block)) for block in _blocks(matrix)]
    having = np.count_nonzero(matrix, axis=0).astype(np.int64)
    return np.concatenate([*lengths, np.zeros(0, dtype=np.float32)]), having


def _made(
    version: int,
    epoch: int,
    numbers: npt.NDArray[np.int64],
    matrix: npt.NDArray[np.int8],
    lengths: Floats,
    having: npt.NDArray[np.int64],
) -> Vectors:
    count = len(numbers)
    rarity = np.maximum(np.log((count + 1) / (np.maximum(having, 1) + 0.5)), 0.0).astype(np.float32)
    sample = matrix[:: max(1, -(-count // _NEIGHBOURS_MAX))]
    return Vectors(version, epoch, numbers, matrix, lengths, having, rarity, _beside(sample, rarity))


def _beside(sample: npt.NDArray[np.int8], rarity: Floats) -> Floats:
    present = (sample != 0).astype(np.float32) * rarity
    rows: Floats = present / np.maximum(np.linalg.norm(present, axis=1, keepdims=True), 1e-9)
    shares: Floats = rows / np.maximum(np.linalg.norm(rows, axis=0, keepdims=True), 1e-9)
    return shares.astype(np.float32)


def _widened(vectors: Vectors, asked: Floats) -> Floats:
    """The question, and in its other dimensions what stands beside its own in this collection's passages."""
    neighbours: Floats = (vectors.beside @ np.abs(asked)) @ vectors.beside
    neighbours[asked != 0] = 0
    scale = _NEIGHBOUR_SHARE * float(np.linalg.norm(asked)) / max(float(np.linalg.norm(neighbours)), 1e-9)
    widened: Floats = (asked + neighbours * scale).astype(np.float32)
    return widened


def _blocks(matrix: npt.NDArray[np.int8]) -> Iterator[Floats]:
    for start in range(0, matrix.shape[0], _BLOCK_ROWS):
        yield matrix[start : start + _BLOCK_ROWS].astype(np.float32)
