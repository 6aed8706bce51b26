"""Passages in one SQLite file: documents, passages with their vectors, and an index of words (FTS5, BM25).

Made by the composition as `knowledge.db` in the data folder; `base.KnowledgeBase` calls it. The storage engine writes
(one writer thread, WAL, fsync before an answer) and reads (in a thread); the nearest vectors are searched in memory
(`vectors`), from a snapshot that is brought up to date when the collection's version has moved, whoever moved it.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.knowledge import tables
from AgentOperatingSystem.knowledge.packing import packed_all
from AgentOperatingSystem.knowledge.ports import Vector
from AgentOperatingSystem.knowledge.records import Collection, Entry, Passage, Scope, mismatch
from AgentOperatingSystem.knowledge.snapshots import Snapshots
from AgentOperatingSystem.storage.records import Page
from AgentOperatingSystem.storage.sqlite.engine import Engine, Parameters, Statement

if TYPE_CHECKING:
    import sqlite3

FILE = "knowledge.db"
Run = tuple[Statement, Parameters]


class SqlitePassageStore:
    """A `PassageStore` in one file. Make it within a running event loop.

    Of vectors, at most `memory_bytes_max` stay in memory: the collections that were searched last.
    """

    def __init__(self, path: Path, *, memory_bytes_max: int = 256 << 20) -> None:
        self._engine = Engine(path, tables.SCHEMA)
        self._snapshots = Snapshots(self._engine, memory_bytes_max)

    async def collection(self, scope: Scope) -> Collection | None:
        rows = await self._engine.scan(tables.COLLECTION, (scope.key,))
        return Collection(**_named(tables.COLLECTION_FIELDS, rows[0])) if rows else None

    async def collections(self, tenant: str) -> tuple[Collection, ...]:
        rows = await self._engine.scan(tables.COLLECTIONS, (tenant,))
        return tuple(Collection(**_named(tables.COLLECTION_FIELDS, row)) for row in rows)

    async def entry(self, scope: Scope, source: str) -> Entry | None:
        rows = await self._engine.scan(tables.ENTRY, (scope.key, source))
        return Entry(**_named(tables.ENTRY_FIELDS, rows[0])) if rows else None

    async def entries(self, scope: Scope, after: str = "", limit: int = 100) -> Page[Entry]:
        rows = await self._engine.scan(tables.ENTRIES, (scope.key, after, limit + 1))
        found = tuple(Entry(**_named(tables.ENTRY_FIELDS, row)) for row in rows[:limit])
        return Page(found, found[-1].source if len(rows) > limit else "")

    async def replace(
        self, scope: Scope, embedder: str, entry: Entry, passages: Sequence[Passage], vectors: Sequence[Vector]
    ) -> None:
        dimensions = len(vectors[0]) if vectors else 0
        packed = await asyncio.to_thread(packed_all, vectors)
        key = scope.key
        runs: list[Run] = [
            (tables.ADD_COLLECTION, (key, scope.tenant, scope.collection, embedder, dimensions)),
            (tables.MOVE, (key, embedder, dimensions)),
            (tables.DROP_PASSAGES_OF, (key, entry.source)),
            (tables.DROP_DOCUMENT, (key, entry.source)),
            (tables.ADD_DOCUMENT, (key, *(getattr(entry, field) for field in tables.ENTRY_FIELDS))),
            *((tables.ADD_PASSAGE, _row(key, each, vector)) for each, vector in zip(passages, packed, strict=True)),
        ]

        def refused(connection: "sqlite3.Connection") -> Exception:
            kept = connection.execute(tables.COLLECTION, (key,)).fetchone()
            return mismatch(Collection(**_named(tables.COLLECTION_FIELDS, kept)), embedder, dimensions)

        await self._engine.write(runs, refused)

    async def remove(self, scope: Scope, sources: Sequence[str]) -> tuple[str, ...]:
        condition, values = tables.among(sources)
        rows = await self._engine.scan(f"SELECT source FROM documents WHERE scope = ?{condition}", (scope.key, *values))
        gone = tuple(sorted(row[0] for row in rows))
        if gone:
            pairs = [(scope.key, source) for source in gone]
            runs: list[Run] = [(tables.TOUCH, (scope.key,))]
            runs += [
                (statement, pair) for statement in (tables.DROP_PASSAGES_OF, tables.DROP_DOCUMENT) for pair in pairs
            ]
            await self._engine.write(runs)
        return gone

    async def drop(self, scope: Scope) -> bool:
        there = await self.collection(scope) is not None
        if there:
            await self._engine.write([(statement, (scope.key,)) for statement in tables.DROP_ALL])
            self._snapshots.forget(scope)
        return there

    async def passage(self, scope: Scope, passage_id: str) -> Passage | None:
        rows = await self._engine.scan(tables.PASSAGE, (scope.key, passage_id))
        return _passage(rows[0]) if rows else None

    async def batch(self, scope: Scope, after: int, limit: int) -> Sequence[tuple[int, Passage]]:
        rows = await self._engine.scan(tables.BATCH, (scope.key, after, limit))
        return [(row[0], _passage(row[1:])) for row in rows]

    async def renew(self, scope: Scope, embedder: str, version: int, vectors: Sequence[tuple[int, Vector]]) -> None:
        packed = await asyncio.to_thread(packed_all, [vector for _, vector in vectors])
        dimensions = len(vectors[0][1]) if vectors else 0
        runs: list[Run] = [(tables.RENEW_COLLECTION, (embedder, dimensions, scope.key, version))]
        runs += [(tables.RENEW, (vector, number)) for (number, _), vector in zip(vectors, packed, strict=True)]
        await self._engine.write(runs, lambda _: Conflict(f"collection {scope.collection} was changed meanwhile"))

    async def nearest(
        self, scope: Scope, question: Vector, limit: int, sources: Sequence[str] = (), *, by_rarity: bool = False
    ) -> Sequence[tuple[Passage, float]]:
        collection = await self.collection(scope)
        if collection is None or not collection.passages:
            return []
        if len(question) != collection.dimensions:
            raise mismatch(collection, "the question's embedder", len(question))
        vectors = await self._snapshots.current(scope, collection)
        only = await self._numbers(scope, sources) if sources else None
        from AgentOperatingSystem.knowledge.vectors import nearest  # loads numpy, as the snapshot did

        found = await asyncio.to_thread(nearest, vectors, question, limit, only, by_rarity)
        passages = await self._passages([number for number, _ in found])
        return [(passages[number], cosine) for number, cosine in found if number in passages]

    async def matching(
        self, scope: Scope, words: Sequence[str], limit: int, sources: Sequence[str] = ()
    ) -> Sequence[Passage]:
        if not words:
            return []
        condition, values = tables.among(sources, "passages.")
        any_of = " OR ".join(f'"{word}"' for word in words)
        asked = f'scope : "{scope.key}" AND {{heading text}} : ({any_of})'
        rows = await self._engine.scan(tables.MATCHING.format(condition=condition), (asked, scope.key, *values, limit))
        return [_passage(row) for row in rows]

    async def close(self) -> None:
        await self._engine.close()

    async def _numbers(self, scope: Scope, sources: Sequence[str]) -> list[int]:
        condition, values = tables.among(sources)
        rows = await self._engine.scan(f"SELECT number FROM passages WHERE scope = ?{condition}", (scope.key, *values))
        return [row[0] for row in rows]

    async def _passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        marks = ", ".join("?" * len(numbers))
        rows = await self._engine.scan(tables.BY_NUMBER.format(marks=marks), tuple(numbers))
        return {row[0]: _passage(row[1:]) for row in rows}


def _row(key: str, passage: Passage, vector: bytes) -> Parameters:
    return (key, *(getattr(passage, field) for field in tables.PASSAGE_FIELDS), vector)


def _passage(row: Sequence[Any]) -> Passage:
    return msgspec.convert(_named(tables.PASSAGE_FIELDS, row), Passage)


def _named(fields: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(fields, row, strict=True))
