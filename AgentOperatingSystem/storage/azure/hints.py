"""Hints: small entities that say where something may be, so that lists need no scan.

A hint is never the truth. It is written with the change it tells of, or before it (`ahead`), and whoever reads it looks
at the row itself. A hint that its row has left behind is void for good, for versions never return; the reader that
finds all hints of an entity void removes it. That keeps a commit at one hint entity, however many rows it moves, and
lets it move rows of which it knows only the key.

`drafts` makes them, `lists` reads them.
"""

import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any, Final, TypeVar

import msgspec

from AgentOperatingSystem.errors import StoreError
from AgentOperatingSystem.storage.azure.keys import BEYOND, ORDERS, VERSIONS, number, number_of
from AgentOperatingSystem.storage.azure.packing import Entity, get_value, put_value
from AgentOperatingSystem.storage.azure.table import Found, Range, Table
from AgentOperatingSystem.storage.records import EventRow, Status

T = TypeVar("T")
AHEAD_SECONDS: Final = 86_400.0
"""After this time, a hint that was written ahead and is void belongs to a commit that never came."""
Place = tuple[Any, ...]


class Hint(msgspec.Struct, frozen=True, array_like=True):
    """At `place` (a version, or an order in the mailbox) is the event `key`, as it was when the hint was written."""

    place: int
    key: str
    status: str
    version: int
    due: float = 0.0


@dataclass(slots=True, eq=False)
class Source:
    """An entity of hints, while a list is read: which of its hints were looked at, and whether one was true."""

    found: Found
    unseen: int
    live: bool = False


@dataclass(slots=True)
class Seen:
    """What a reader has learned of the hints that it passed."""

    sources: list[Source] = field(default_factory=list)

    async def sweep(self, table: Table, now: float) -> None:
        """Removes entities whose hints are all void; where another reader is faster, that is as well."""
        voids = [each.found for each in self.sources if not each.unseen and not each.live and _is_over(each, now)]
        with suppress(StoreError):  # a chore on the way: the list itself is complete
            if voids:
                await table.delete_all(voids, conditional=True)


_encode = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Hint])


def hint_entities(partition: str, rows: Sequence[EventRow], commit: str, now: float) -> list[Entity]:
    """The hints of a change: one entity per version among its rows, which is one, and one for what it parks."""
    by_version = sorted(rows, key=lambda row: row.version)
    entities = [
        _entity(partition, VERSIONS, [_hint(row.version, row) for row in of_one], commit, now)
        for _, of_one in groupby(by_version, key=lambda row: row.version)
    ]
    waiting = sorted((row for row in rows if row.status == Status.PARKED), key=lambda row: row.order)
    if waiting:
        entities.append(_entity(partition, ORDERS, [_hint(row.order, row) for row in waiting], commit, now))
    return entities


async def hinted(
    table: Table, partition: str, prefix: str, first: int, seen: Seen
) -> AsyncIterator[tuple[Hint, Source]]:
    """Hints of one list, by place and key, from the entity of place `first` on; each is noted in `seen`."""
    scope = Range(partition, prefix + (number(first) if first >= 0 else ""), prefix + BEYOND)

    def items(found: Found) -> Iterable[tuple[Place, tuple[Hint, Source]]]:
        hints = _decode.decode(get_value(dict(found.entity), "h"))
        source = Source(found, len(hints))
        seen.sources.append(source)
        return [((hint.place, hint.key), (hint, source)) for hint in hints]

    async for _, item in merged(table.pages(scope), lambda found: (_lowest(found, prefix),), items):
        yield item


async def merged(
    pages: AsyncIterator[list[Found]],
    lowest: Callable[[Found], Place],
    items: Callable[[Found], Iterable[tuple[Place, T]]],
) -> AsyncGenerator[tuple[Place, T], None]:
    """The items of entities in the order of their places. Entities come by the lowest place that each may hold, so an
    item is due as soon as a later entity begins behind it.
    """
    waiting: list[tuple[Place, int, T]] = []
    serial = count()
    async for page in pages:
        for found in page:
            begin = lowest(found)
            while waiting and waiting[0][0] < begin:
                place, _, item = heapq.heappop(waiting)
                yield place, item
            for place, item in items(found):
                heapq.heappush(waiting, (place, next(serial), item))
    while waiting:
        place, _, item = heapq.heappop(waiting)
        yield place, item


def _hint(place: int, row: EventRow) -> Hint:
    return Hint(place, row.key, str(row.status), row.version, row.due)


def _entity(partition: str, prefix: str, hints: Sequence[Hint], commit: str, now: float) -> Entity:
    row = f"{prefix}{number(hints[0].place)}|{commit}"
    entity: Entity = {"PartitionKey": partition, "RowKey": row, "at": now, "ahead": False}
    put_value(entity, "h", _encode(hints))
    return entity


def _lowest(found: Found, prefix: str) -> int:
    return number_of(found.entity["RowKey"].removeprefix(prefix).partition("|")[0])


def _is_over(source: Source, now: float) -> bool:
    return not source.found.entity["ahead"] or source.found.entity["at"] < now - AHEAD_SECONDS
