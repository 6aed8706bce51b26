"""`AgentStore` on one Azure table, with blobs for what is too large for it.

One agent is one partition, one turn is one entity group transaction on it, conditional on the head's ETag. What lies
where is said in `keys`; a change becomes a transaction in `drafts` and is sent by `commit`; lists are read by `lists`.
A warm event costs one transaction and nothing else. What has to be written before it, so that nothing is lost where the
host dies in between: values for blobs, the index entry of a new agent, and that of an agent which has open events for
the first time.
"""

import asyncio
from uuid import uuid4

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.azure import keys
from AgentOperatingSystem.storage.azure.account import Account
from AgentOperatingSystem.storage.azure.commit import Submission
from AgentOperatingSystem.storage.azure.drafts import Draft, Fence, drafted
from AgentOperatingSystem.storage.azure.lists import Reader
from AgentOperatingSystem.storage.azure.packing import Entity, put_value
from AgentOperatingSystem.storage.azure.recent import RecentHints
from AgentOperatingSystem.storage.azure.table import Found, Range
from AgentOperatingSystem.storage.azure.unlisting import unlist
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status


class AzureAgentStore:
    """The store of the distributed engine. Closing it closes its account's connections."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._table = account.table
        self._overflow = account.overflow
        self._clock = account.table.calls.clock
        self._read = Reader(account.table, account.overflow)
        self._recent = RecentHints()

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        found = await self._read.head(agent, state=True)
        if found is None:
            return None
        head, entity = found
        return head, Fence(entity.etag, _listed(entity)).text()

    async def commit(self, change: Change) -> Committed:
        fence = Fence.read(change.etag, change.head.agent)
        partition = keys.partition_of(change.head.agent)
        voids = self._recent.take(partition, change.updates)
        draft = drafted(change, fence, uuid4().hex, self._clock.now(), voids)
        await self._write_ahead(change.head.agent, fence, draft)
        etag = await Submission(self._table, change, fence, draft).send()
        self._recent.note(partition, (*change.inserts, *change.updates), draft)
        return Committed(Fence(etag, fence.listed | draft.opened).text())

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        return await self._read.event(agent, key)

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        return await self._read.parked(agent, due_by, limit)

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        return await self._read.events(agent, str(status or ""), after, limit)

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        idle: list[AgentId] = []
        page = await self._read.find(tenant, str(status), after, limit, idle)
        for agent in idle:
            await unlist(self._table, self._read, agent, str(status))
        return page

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        return await self._read.row(agent, kind, name)

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        return await self._read.rows(agent, kind, prefix, after, limit)

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        return await self._read.agents(tenant, prefix, after, limit)

    async def erase(self, agent: AgentId) -> None:
        """The head goes last, and only as it was before its rows went, so that an erasure that was broken off can be
        done again and a writer in between is not half erased.
        """
        partition = keys.partition_of(agent)
        listed: frozenset[str] = frozenset()
        while (head := await self._table.get(partition, keys.HEAD, ["PartitionKey", "RowKey", "listed"])) is not None:
            listed |= _listed(head)
            await self._erase_rows(partition)
            if await self._table.delete_all([head], conditional=True):
                break
        await self._erase_rows(partition)
        await self._overflow.erase(partition)
        for index in (keys.agents_partition(agent.tenant), *(keys.open_partition(agent.tenant, s) for s in listed)):
            entry = {"PartitionKey": index, "RowKey": keys.ordered(keys.address_of(agent))}
            await self._table.delete_all([Found(entry, "")], conditional=False)

    async def collect(self, older_than_seconds: float = 86_400.0) -> int:
        """Deletes values in blobs that no row points at any more; answers how many. For the host's housekeeping."""
        return await self._overflow.collect(self._table, older_than_seconds)

    async def close(self) -> None:
        await self._account.close()

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _write_ahead(self, agent: AgentId, fence: Fence, draft: Draft) -> None:
        """What the commit relies on; if it never comes, this is found to be void."""
        now = self._clock.now()
        indexes = [keys.open_partition(agent.tenant, status) for status in sorted(draft.opened)]
        if not fence.etag:
            indexes.append(keys.agents_partition(agent.tenant))
        if indexes or draft.overflow:
            await asyncio.gather(
                self._overflow.put(draft.overflow),
                *(self._table.upsert(_entry(index, agent, now)) for index in indexes),
            )
        for hint in draft.ahead:
            await self._table.upsert(hint)

    async def _erase_rows(self, partition: str) -> None:
        """All of a partition but its head; again from the start where a reader has swept a hint of the same batch."""
        done = False
        while not done:
            done = True
            for first, beyond in ((" ", keys.HEAD), (keys.HEAD + "!", keys.BEYOND)):
                async for page in self._table.pages(Range(partition, first, beyond), ["PartitionKey", "RowKey"]):
                    done = await self._table.delete_all(page, conditional=False) and done


def _entry(index: str, agent: AgentId, now: float) -> Entity:
    """An index entry: the agent's address, whole."""
    entity: Entity = {"PartitionKey": index, "RowKey": keys.ordered(keys.address_of(agent)), "at": now}
    put_value(entity, "n", agent.partition.encode())
    return entity


def _listed(head: Found) -> frozenset[str]:
    return frozenset((head.entity.get("listed") or "").split("+")) - {""}
