"""Passages in memory alone: for tests, and for what need not outlive the process. Everything is gone with the object.

The same port as `sqlite`, with the same vectors; BM25 is reckoned here as SQLite does it.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.knowledge.packing import packed_all
from AgentOperatingSystem.knowledge.ports import Vector
from AgentOperatingSystem.knowledge.records import Collection, Entry, Passage, Scope, mismatch
from AgentOperatingSystem.knowledge.stems import stem, words_of
from AgentOperatingSystem.storage.records import Page

_SATURATION, _LENGTH_SHARE = 1.2, 0.75  # of BM25, as SQLite's FTS5 has them
_HEADING_TIMES = 2


@dataclass
class _Kept:
    scope: Scope
    embedder: str
    dimensions: int
    version: int = 0
    epoch: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    passages: dict[int, tuple[Passage, bytes]] = field(default_factory=dict)

    def record(self) -> Collection:
        return Collection(
            name=self.scope.collection,
            embedder=self.embedder,
            dimensions=self.dimensions,
            passages=len(self.passages),
            version=self.version,
            epoch=self.epoch,
        )

    def without(self, source: str) -> None:
        self.entries.pop(source, None)
        self.passages = {number: kept for number, kept in self.passages.items() if kept[0].source != source}


class MemoryPassageStore:
    """A `PassageStore` of dicts."""

    def __init__(self) -> None:
        self._kept: dict[Scope, _Kept] = {}
        self._numbers = itertools.count(1)

    async def collection(self, scope: Scope) -> Collection | None:
        return self._kept[scope].record() if scope in self._kept else None

    async def collections(self, tenant: str) -> tuple[Collection, ...]:
        found = (kept.record() for scope, kept in self._kept.items() if scope.tenant == tenant)
        return tuple(sorted(found, key=lambda each: each.name))

    async def entry(self, scope: Scope, source: str) -> Entry | None:
        return self._kept[scope].entries.get(source) if scope in self._kept else None

    async def entries(self, scope: Scope, after: str = "", limit: int = 100) -> Page[Entry]:
        entries = self._kept[scope].entries if scope in self._kept else {}
        found = [entries[source] for source in sorted(entries) if source > after]
        return Page(tuple(found[:limit]), found[limit - 1].source if len(found) > limit else "")

    async def replace(
        self, scope: Scope, embedder: str, entry: Entry, passages: Sequence[Passage], vectors: Sequence[Vector]
    ) -> None:
        packed, dimensions = packed_all(vectors), len(vectors[0])
        kept = self._kept.get(scope)
        if kept is None or not kept.passages:
            kept = self._kept[scope] = _Kept(scope, embedder, dimensions)
        if (kept.embedder, kept.dimensions) != (embedder, dimensions):
            raise mismatch(kept.record(), embedder, dimensions)
        kept.without(entry.source)
        kept.version += 1
        kept.entries[entry.source] = entry
        kept.passages |= {next(self._numbers): pair for pair in zip(passages, packed, strict=True)}

    async def remove(self, scope: Scope, sources: Sequence[str]) -> tuple[str, ...]:
        kept = self._kept.get(scope)
        gone = sorted(each for each in kept.entries if _is_among(each, sources)) if kept else []
        for source in gone:
            self._kept[scope].without(source)
        return tuple(gone)

    async def drop(self, scope: Scope) -> bool:
        return self._kept.pop(scope, None) is not None

    async def passage(self, scope: Scope, passage_id: str) -> Passage | None:
        return next((each for _, each in self._all(scope, ()) if each.id == passage_id), None)

    async def batch(self, scope: Scope, after: int, limit: int) -> Sequence[tuple[int, Passage]]:
        return [(number, each) for number, each in self._all(scope, ()) if number > after][:limit]

    async def renew(self, scope: Scope, embedder: str, version: int, vectors: Sequence[tuple[int, Vector]]) -> None:
        kept = self._kept[scope]
        if kept.version != version:
            raise Conflict(f"collection {scope.collection} was changed meanwhile")
        packed = packed_all([vector for _, vector in vectors])
        for (number, _), vector in zip(vectors, packed, strict=True):
            kept.passages[number] = (kept.passages[number][0], vector)
        kept.embedder, kept.dimensions = embedder, len(vectors[0][1]) if vectors else 0
        kept.version, kept.epoch = kept.version + 1, kept.epoch + 1

    async def nearest(
        self, scope: Scope, question: Vector, limit: int, sources: Sequence[str] = (), *, by_rarity: bool = False
    ) -> Sequence[tuple[Passage, float]]:
        from AgentOperatingSystem.knowledge import vectors  # loads numpy

        kept = self._kept.get(scope)
        if kept is None or not kept.passages:
            return []
        if len(question) != kept.dimensions:
            raise mismatch(kept.record(), "the question's embedder", len(question))
        rows = [(number, vector) for number, (_, vector) in kept.passages.items()]
        made = vectors.snapshot(kept.version, kept.epoch, rows, kept.dimensions)
        only = [number for number, _ in self._all(scope, sources)] if sources else None
        found = vectors.nearest(made, question, limit, only, by_rarity)
        return [(kept.passages[number][0], cosine) for number, cosine in found]

    async def matching(
        self, scope: Scope, words: Sequence[str], limit: int, sources: Sequence[str] = ()
    ) -> Sequence[Passage]:
        texts = {number: _stems(each) for number, each in self._all(scope, ())}
        asked = {stem(part) for word in words for part in words_of(word)}
        scores = {number: _bm25(asked, number, texts) for number, _ in self._all(scope, sources)}
        found = sorted((number for number, score in scores.items() if score > 0), key=lambda each: -scores[each])
        return [self._kept[scope].passages[number][0] for number in found[:limit]]

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _all(self, scope: Scope, sources: Sequence[str]) -> list[tuple[int, Passage]]:
        passages = self._kept[scope].passages if scope in self._kept else {}
        return [
            (number, each) for number, (each, _) in passages.items() if not sources or _is_among(each.source, sources)
        ]


def _is_among(source: str, sources: Sequence[str]) -> bool:
    return any(source.startswith(each[:-1]) if each.endswith("*") else source == each for each in sources)


def _stems(passage: Passage) -> list[str]:
    return [stem(word) for word in words_of(f"{passage.heading} " * _HEADING_TIMES + passage.text)]


def _bm25(asked: set[str], number: int, texts: dict[int, list[str]]) -> float:
    """Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009)."""
    average = sum(len(text) for text in texts.values()) / len(texts)
    score, text = 0.0, texts[number]
    for word in asked & set(text):
        having, times = sum(word in other for other in texts.values()), text.count(word)
        rarity = max(math.log((len(texts) - having + 0.5) / (having + 0.5)), 1e-6)
        length = 1 - _LENGTH_SHARE + _LENGTH_SHARE * len(text) / average
        score += rarity * times * (_SATURATION + 1) / (times + _SATURATION * length)
    return score
