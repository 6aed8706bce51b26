"""Lists over a table: of an agent's events, of what is parked, of a tenant's open events, of its agents.

Called by `AzureAgentStore`. Each walks hints in order (`hints`), reads the rows that they name, many at once, and keeps
those that are as the hint says. A row is looked at once more than a page holds, so that the last page says it is.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec

from AgentOperatingSystem.errors import StateUnreadable
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.azure import keys
from AgentOperatingSystem.storage.azure.hints import Hint, Place, Seen, Source, hinted, merged
from AgentOperatingSystem.storage.azure.overflow import OverflowBlobs
from AgentOperatingSystem.storage.azure.packing import get_value, properties_of
from AgentOperatingSystem.storage.azure.table import Found, Range, Table
from AgentOperatingSystem.storage.cursors import event_cursor, place_of
from AgentOperatingSystem.storage.records import EventRow, Head, Page, Row, Status

T = TypeVar("T")
U = TypeVar("U")
AT_ONCE: Final = 64
"""Rows that are read at the same time."""
_head: Final = msgspec.json.Decoder(Head)
_event: Final = msgspec.json.Decoder(EventRow)
_HEAD_PROPERTIES: Final = ("PartitionKey", "RowKey", "listed", *properties_of("r"))


class Reader:
    """Records out of entities, and lists of them."""

    def __init__(self, table: Table, overflow: OverflowBlobs) -> None:
        self._table = table
        self._overflow = overflow

    # --- single records -------------------------------------------------------------------------------------------

    async def head(self, agent: AgentId, *, state: bool) -> tuple[Head, Found] | None:
        """The head, with its state where asked."""
        select = () if state else _HEAD_PROPERTIES
        found = await self._values(keys.partition_of(agent), keys.HEAD, ("r", "s") if state else ("r",), select)
        if found is None:
            return None
        (record, *rest), entity = found
        head = _head.decode(record)
        return msgspec.structs.replace(head, state=rest[0]) if rest else head, entity

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        """One event's row."""
        found = await self._values(keys.partition_of(agent), keys.event_row(key), ("r",))
        return _event.decode(found[0][0]) if found else None

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        """One small row's value."""
        found = await self._values(keys.partition_of(agent), keys.small_row(kind, name), ("v",))
        return found[0][0] if found else None

    # --- lists of one agent ---------------------------------------------------------------------------------------

    async def events(self, agent: AgentId, status: str, after: str, limit: int) -> Page[EventRow]:
        """By last change."""
        behind, seen = place_of(after), Seen()
        hints = hinted(self._table, keys.partition_of(agent), keys.VERSIONS, behind[0], seen)

        def wanted(hint: Hint) -> bool:
            return (hint.place, hint.key) > behind and status in ("", hint.status)

        def fits(hint: Hint, row: EventRow) -> bool:
            return row.version == hint.place and status in ("", row.status)

        rows = await self._true_rows(agent, hints, wanted, fits, limit + 1)
        await seen.sweep(self._table, self._table.calls.clock.now())
        return _page([(event_cursor(row.version, row.key), row) for row in rows], limit)

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        """By order."""
        seen = Seen()
        hints = hinted(self._table, keys.partition_of(agent), keys.ORDERS, -1, seen)

        def fits(hint: Hint, row: EventRow) -> bool:
            return row.status == Status.PARKED and row.order == hint.place and row.due <= due_by

        rows = await self._true_rows(agent, hints, lambda hint: hint.due <= due_by, fits, limit)
        await seen.sweep(self._table, self._table.calls.clock.now())
        return tuple(rows)

    async def rows(self, agent: AgentId, kind: str, prefix: str, after: str, limit: int) -> Page[Row]:
        """By name."""
        begin = keys.kind_prefix(kind)
        first = begin + max(keys.coarse(prefix), keys.coarse(after))
        scope = Range(keys.partition_of(agent), first, begin + keys.coarse(prefix) + keys.BEYOND)

        def items(found: Found) -> list[tuple[Place, Found]]:
            name = _text(found, "n")
            return [((_coarse(found, begin), name), found)] if name.startswith(prefix) and name > after else []

        pages = self._table.pages(scope, size=limit + 1)
        found: list[tuple[str, Row]] = []
        async with aclosing(merged(pages, lambda each: (_coarse(each, begin),), items)) as places:
            async for (_, name), each in places:
                value = await self._overflow.value(each.entity, "v")
                if value is None:  # it has moved on since it was listed
                    value = await self.row(agent, kind, name)
                if value is not None:
                    found.append((name, Row(kind, name, value)))
                if len(found) > limit:
                    break
        return _page(found, limit)

    async def of_status(self, agent: AgentId, status: str, after: str) -> AsyncIterator[EventRow]:
        """All of one status, by key: a walk through the partition that the service does."""
        first = keys.event_row(after) + "!" if after else keys.EVENTS
        scope = Range(keys.partition_of(agent), first, keys.EVENTS + keys.BEYOND, status)
        async for page in self._table.pages(scope):
            for found in page:
                record = await self._overflow.value(found.entity, "r")
                if record is not None:
                    yield _event.decode(record)

    # --- lists over agents ----------------------------------------------------------------------------------------

    async def agents(self, tenant: str, prefix: str, after: str, limit: int) -> Page[Head]:
        """By address."""
        of_tenant, _, behind = after.partition("|")
        first = keys.agents_partition(tenant) if tenant else keys.AGENTS + of_tenant
        pages = self._table.partitions(first, (first if tenant else keys.AGENTS) + keys.BEYOND, ())
        if tenant:
            begin = max(keys.coarse(prefix), keys.coarse(behind) if of_tenant == tenant else "")
            pages = self._table.pages(Range(first, begin, keys.coarse(prefix) + keys.BEYOND))

        def wanted(agent: AgentId) -> bool:
            return agent.partition > after and keys.address_of(agent).startswith(prefix)

        heads = await _kept(_addresses(pages, wanted), self._listed_head, limit + 1)
        return _page([(head.agent.partition, head) for head in heads], limit)

    async def find(self, tenant: str, status: str, after: str, limit: int, idle: list[AgentId]) -> Page[EventRow]:
        """By agent, then by key; agents that are listed and have no such event are added to `idle`."""
        at, _, key = after.rpartition(":")
        partition = keys.open_partition(tenant, status)
        first = keys.coarse(at.partition("|")[2]) if at else ""
        pages = self._table.pages(Range(partition, first, keys.BEYOND))
        found: list[tuple[str, EventRow]] = []
        async with aclosing(_addresses(pages, lambda agent: agent.partition >= at)) as agents:
            async for agent in agents:
                before = len(found)
                async for row in self.of_status(agent, status, key if agent.partition == at else ""):
                    found.append((f"{agent.partition}:{row.key}", row))
                    if len(found) > limit:
                        return _page(found, limit)
                if len(found) == before and agent.partition != at:
                    idle.append(agent)
        return _page(found, limit)

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _listed_head(self, agent: AgentId) -> Head | None:
        found = await self.head(agent, state=False)
        return found[0] if found else None

    async def _true_rows(
        self,
        agent: AgentId,
        hints: AsyncIterator[tuple[Hint, Source]],
        wanted: Callable[[Hint], bool],
        fits: Callable[[Hint, EventRow], bool],
        limit: int,
    ) -> list[EventRow]:
        """The rows that hints name and that are as these say, each once."""
        taken: set[tuple[int, str]] = set()

        async def look(hint: Hint, source: Source) -> EventRow | None:
            row = await self.event(agent, hint.key)
            source.unseen -= 1
            source.live = source.live or (row is not None and row.version == hint.version)
            if row is None or not fits(hint, row) or (hint.place, hint.key) in taken:
                return None
            taken.add((hint.place, hint.key))
            return row

        chosen = ((hint, source) async for hint, source in hints if wanted(hint))
        return await _kept(chosen, lambda pair: look(*pair), limit)

    async def _values(
        self, partition: str, row: str, names: Sequence[str], select: Sequence[str] = ()
    ) -> tuple[list[bytes], Found] | None:
        """Values of one entity. Where a blob of it is gone, the entity has moved on, so it is read again, once."""
        for _ in range(2):
            found = await self._table.get(partition, row, select)
            if found is None:
                return None
            values = [await self._overflow.value(found.entity, name) for name in names]
            whole = [value for value in values if value is not None]
            if len(whole) == len(values):
                return whole, found
        raise StateUnreadable(f"{partition} {row}: the blob that it points at is gone")


async def _kept(source: AsyncIterator[T], read: Callable[[T], Awaitable[U | None]], limit: int) -> list[U]:
    """The first `limit` answers of `read` that are something, in order; so many reads at once as may be needed."""
    kept: list[U] = []
    chunk: list[T] = []

    async def take() -> None:
        kept.extend(each for each in await asyncio.gather(*map(read, chunk)) if each is not None)
        chunk.clear()

    async for item in source:
        chunk.append(item)
        if len(chunk) >= min(limit - len(kept), AT_ONCE):
            await take()
            if len(kept) >= limit:
                return kept
    await take()
    return kept


async def _addresses(
    pages: AsyncIterator[list[Found]], wanted: Callable[[AgentId], bool]
) -> AsyncGenerator[AgentId, None]:
    """The agents that an index lists, by tenant and address."""

    def items(found: Found) -> list[tuple[Place, AgentId]]:
        agent = AgentId.from_partition(_text(found, "n"))
        return [((*_place(found), keys.address_of(agent)), agent)] if wanted(agent) else []

    async for _, agent in merged(pages, _place, items):
        yield agent


def _place(found: Found) -> Place:
    return found.entity["PartitionKey"], _coarse(found, "")


def _coarse(found: Found, prefix: str) -> str:
    row: str = found.entity["RowKey"]
    return row.removeprefix(prefix).partition("~")[0]


def _text(found: Found, name: str) -> str:
    return get_value(found.entity, name).decode()


def _page(found: Sequence[tuple[str, Any]], limit: int) -> Page[Any]:
    items = found[:limit]
    return Page(tuple(item for _, item in items), items[-1][0] if len(found) > limit else "")
