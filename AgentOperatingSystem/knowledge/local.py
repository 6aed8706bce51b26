"""The embedder that needs nothing: no model, no download, no key. The same vectors on every platform.

A text's vector has a dimension for each group of related words (`lexicon`), some for the words' own stems, and some for
pieces of words that the lexicon does not know. How much each counts, the collection says (`vectors`, by rarity), and
what stands beside what in it: so a passage is found that shares no word with the question. docs/knowledge.md says how
well, and when a provider's embedder is the better choice.
"""

import asyncio
import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from AgentOperatingSystem.knowledge.lexicon import GROUPS_MAX, lexicon
from AgentOperatingSystem.knowledge.stems import content_words, stem

STEMS, PIECES = 384, 64
DIMENSIONS = GROUPS_MAX + STEMS + PIECES
_STEM_SHARE, _PIECE_SHARE = 0.4, 0.2
_PIECE_LENGTH = 3
_FORM = 1  # raised when the same lexicon would give other vectors

Feature = tuple[str, str]
"""A kind (`group`, `stem`, `piece`) and which one."""


class LocalEmbedder:
    """An `Embedder` by rule and lexicon. Pure; takes about a millisecond for a page."""

    by_rarity = True
    floor = 0.07

    @property
    def name(self) -> str:
        """With the lexicon's digest: another lexicon's vectors are another embedder's."""
        return f"local/{_FORM}-{lexicon().digest}"

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        return await asyncio.to_thread(_vectors_of, texts)

    async def question(self, text: str) -> list[float]:
        return vector_of(text)

    async def close(self) -> None:
        """There is nothing to let go of."""


def _vectors_of(texts: Sequence[str]) -> list[list[float]]:
    return [vector_of(text) for text in texts]


def vector_of(text: str) -> list[float]:
    """The vector of a text; all zeros where it has no word that says anything."""
    amounts: dict[Feature, float] = {}
    for feature, amount in _features([stem(word) for word in content_words(text)]):
        amounts[feature] = amounts.get(feature, 0.0) + amount
    vector = [0.0] * DIMENSIONS
    for feature, amount in amounts.items():
        dimension, share = _place(feature)
        vector[dimension] += share * (1.0 + math.log(amount) if amount > 1 else amount)
    return vector


def _features(stems: Sequence[str]) -> Iterator[tuple[Feature, float]]:
    """What a text has, and how much of it: a word of several groups has a part of each."""
    groups = lexicon().groups
    for here, following in zip_longest(stems, stems[1:]):
        found = groups.get(here, ())
        yield from ((("group", str(number)), 1 / math.sqrt(len(found))) for number in found)
        yield from ((("group", str(number)), 1.0) for number in groups.get(f"{here} {following}", ()))
        yield ("stem", here), 1.0
        if not found:
            pieces = _pieces(here)
            yield from ((("piece", piece), 1 / math.sqrt(len(pieces))) for piece in pieces)


def _pieces(word: str) -> list[str]:
    """`^word$` in pieces: a misspelt or an unknown word still meets its like."""
    marked = f"^{word}$"
    return [marked[start : start + _PIECE_LENGTH] for start in range(len(marked) - _PIECE_LENGTH + 1)]


def _place(feature: Feature) -> tuple[int, float]:
    """The dimension of a feature, and what it counts there. Stems and pieces share dimensions, so some count down."""
    kind, what = feature
    if kind == "group":
        return int(what), 1.0
    start, size, share = (
        (GROUPS_MAX, STEMS, _STEM_SHARE) if kind == "stem" else (GROUPS_MAX + STEMS, PIECES, _PIECE_SHARE)
    )
    mark = zlib.crc32(f"{kind} {what}".encode())
    return start + mark % size, share if mark >> 16 & 1 else -share
