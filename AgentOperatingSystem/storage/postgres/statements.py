"""A transaction as one statement: parts that write (`WITH … AS (INSERT …)`) and one `SELECT` that answers.

One statement is one round trip and commits by itself. PostgreSQL carries out every part exactly once, against one
snapshot, and undoes all of them where one fails. Parts say `{0}`, `{1}` for their values; a part that may write only
where the fence held says so with `FENCED`.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

FENCED: Final = "EXISTS (SELECT FROM fence)"
"""Holds where the part named `fence` gave a row."""


class Part(NamedTuple):
    """One `WITH` part."""

    name: str
    sql: str
    values: tuple[Any, ...] = ()


OPEN_FENCE: Final = Part("fence", "SELECT 1 AS held")
"""For statements that need no fence."""


def composed(parts: Iterable[Part], answer: str) -> tuple[str, list[Any]]:
    """The statement's text, the same for the same shape of parts (so that it is prepared once), and its values."""
    texts: list[str] = []
    values: list[Any] = []
    for part in parts:
        numbers = [f"${len(values) + place}" for place in range(1, len(part.values) + 1)]
        texts.append(f"{part.name} AS ({part.sql.format(*numbers)})")
        values += part.values
    return f"WITH {', '.join(texts)} {answer}", values
