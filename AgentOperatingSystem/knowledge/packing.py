"""Vectors as stores keep them: all of one length, one signed byte per dimension. What is no vector is refused here."""

from collections.abc import Sequence

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.knowledge.ports import Vector


def packed_all(vectors: Sequence[Vector]) -> list[bytes]:
    """Vectors of one length, packed. Raises `InvalidInput` where they are none."""
    from AgentOperatingSystem.knowledge.vectors import packed  # numpy takes 0.1 s to load

    if len({len(vector) for vector in vectors}) > 1:
        raise InvalidInput("an embedder gave vectors of different lengths")
    try:
        return [packed(vector) for vector in vectors]
    except ValueError as error:
        raise InvalidInput(f"an embedder gave something that is {error}") from None
