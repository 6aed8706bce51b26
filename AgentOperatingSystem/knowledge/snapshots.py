"""The vectors that are in memory: of the collections that were searched last, up to a number of bytes.

`sqlite` asks for the current one before each search by meaning. A snapshot is brought up to date by reading only what
is new; the collection's version in the file says whether anything is.
"""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from AgentOperatingSystem.knowledge import tables
from AgentOperatingSystem.knowledge.records import Collection, Scope
from AgentOperatingSystem.storage.sqlite.engine import Engine

if TYPE_CHECKING:
    from AgentOperatingSystem.knowledge.vectors import Vectors


class Snapshots:
    """A bounded cache; the one that was asked for last always stays."""

    def __init__(self, engine: Engine, bytes_max: int) -> None:
        self._engine = engine
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._refreshing: dict[str, asyncio.Lock] = {}

    async def current(self, scope: Scope, collection: Collection) -> "Vectors":
        """The vectors at the collection's version, or at a later one."""
        async with self._refreshing.setdefault(scope.key, asyncio.Lock()):
            kept = self._kept.pop(scope.key, None)
            if kept is None or (kept.version, kept.epoch) != (collection.version, collection.epoch):
                kept = await self._refreshed(scope, collection, kept)
            self._kept[scope.key] = kept
        self._shrink()
        return kept

    def forget(self, scope: Scope) -> None:
        """The collection is gone."""
        self._kept.pop(scope.key, None)
        self._refreshing.pop(scope.key, None)

    async def _refreshed(self, scope: Scope, collection: Collection, before: "Vectors | None") -> "Vectors":
        from AgentOperatingSystem.knowledge import vectors  # numpy takes 0.1 s to load

        if before is not None and before.epoch != collection.epoch:
            before = None
        last = before.last if before is not None else 0
        rows = await self._engine.scan(tables.VECTORS, (scope.key, last))
        made = await asyncio.to_thread(
            vectors.snapshot, collection.version, collection.epoch, rows, collection.dimensions, before
        )
        if made.numbers.size != collection.passages:  # something was removed
            numbers = await self._engine.scan(tables.NUMBERS, (scope.key,))
            present = [number for (number,) in numbers]
            made = await asyncio.to_thread(vectors.without, made, present, collection.version)
        return made

    def _shrink(self) -> None:
        while len(self._kept) > 1 and sum(each.size_bytes for each in self._kept.values()) > self._bytes_max:
            self._kept.popitem(last=False)
