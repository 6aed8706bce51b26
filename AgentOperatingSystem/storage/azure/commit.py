"""Sends a drafted transaction until it is known what became of it.

Called by `AzureAgentStore.commit`. A definite refusal is explained by looking (the fence first, then the dedupe marks).
After a doubtful failure (throttled, timed out, cut off) the head is read: it carries the id of the commit that wrote
it, so a commit that was carried out and never answered is recognised as our own, by this attempt or by a later one
that loses against it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from AgentOperatingSystem.errors import Conflict, Duplicate, StoreUnavailable, TooLarge
from AgentOperatingSystem.storage.azure import keys
from AgentOperatingSystem.storage.azure.calls import Busy, Rejected
from AgentOperatingSystem.storage.azure.drafts import Draft, Fence
from AgentOperatingSystem.storage.azure.table import Table
from AgentOperatingSystem.storage.records import Change

_EXPLAINED: Final = frozenset({404, 409, 412})
_LARGE: Final = 413


@dataclass(slots=True)
class Submission:
    """One commit on its way."""

    table: Table
    change: Change
    fence: Fence
    draft: Draft
    doubtful: bool = False
    """Whether an attempt may have been carried out without an answer."""
    absent: set[str] = field(default_factory=set)
    """Rows to delete that are gone already."""

    async def send(self) -> str:
        """The head's new ETag. Raises `Conflict`, `Duplicate`, `TooLarge`, `StoreUnavailable`."""
        attempt = 1
        while True:
            try:
                return await self._once()
            except Busy as failure:
                self.doubtful = True
                if attempt == self.table.calls.attempts_max:
                    raise
                await self.table.calls.wait(attempt, failure)
            etag = await self._own_etag()
            if etag:
                return etag
            attempt += 1

    async def _once(self) -> str:
        """One attempt; a refusal that is only about rows that need not be there is answered by leaving them out."""
        while True:
            remaining = [each for each in self.draft.operations if each.entity["RowKey"] not in self.absent]
            try:
                return await self.table.transact(remaining)  # THE commit
            except Rejected as refusal:
                own = await self._own_etag() if self.doubtful else ""
                if own:
                    return own
                await self._explain(refusal)

    async def _own_etag(self) -> str:
        """The stored head's ETag where this very commit wrote it; else empty."""
        found = await self.table.get(self._partition, keys.HEAD, ["commit"])
        return found.etag if found and found.entity.get("commit") == self.draft.commit else ""

    async def _explain(self, refusal: Rejected) -> None:
        """Raises what the refusal means; returns where only deletes were in vain, which are now in `absent`."""
        if refusal.http_status == _LARGE:
            raise TooLarge(str(refusal)) from refusal
        if refusal.http_status not in _EXPLAINED:
            raise refusal
        await self._check_fence(refusal)
        inserts = {keys.event_row(row.key): row.key for row in self.change.inserts}
        present = await self._present([each.entity["RowKey"] for each in self.draft.operations])
        known = [key for row, key in inserts.items() if row in present]
        if known:
            raise Duplicate(known) from refusal
        if any(keys.event_row(row.key) not in present for row in self.change.updates):
            raise Conflict(f"{self.change.head.agent}: a row that was to move on is gone") from refusal
        deletes = {each.entity["RowKey"] for each in self.draft.operations if each.verb == "delete"}
        vain = deletes - present - self.absent
        if not vain:
            raise refusal
        self.absent |= vain

    async def _check_fence(self, refusal: Rejected) -> None:
        found = await self.table.get(self._partition, keys.HEAD, ["commit"])
        etag = found.etag if found else ""
        if etag == self.fence.etag:
            return
        agent = self.change.head.agent
        if self.doubtful and not (self.change.inserts or self.change.updates):
            raise StoreUnavailable(
                f"{agent}: another writer has moved on, and whether this change came before it cannot be told"
            ) from refusal  # with event rows it can: who tries again meets their dedupe marks
        raise Conflict(f"{agent}: the stored ETag is {etag!r}, not {self.fence.etag!r}") from refusal

    async def _present(self, rows: list[str]) -> set[str]:
        found = await asyncio.gather(*(self.table.get(self._partition, row, ["RowKey"]) for row in rows))
        return {row for row, each in zip(rows, found, strict=True) if each is not None}

    @property
    def _partition(self) -> str:
        return keys.partition_of(self.change.head.agent)
