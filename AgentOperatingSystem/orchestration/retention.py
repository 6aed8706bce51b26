"""Retention: what has ended long ago goes, in bounded commits; what is open or put aside is never touched.

Counted from an event's end. Its row is its dedupe mark too, so it stays at least for the dedupe window. Run by the
system every hour (`agent_operating_system.py`), together with the collector of blobs.
"""

from collections.abc import AsyncIterator

import msgspec

from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import ENDS, Change, EventRow

DELETES_MAX = 90
"""Rows per commit; a store's transaction holds 100."""
COMMITS_MAX = 1000
"""Commits per run: the rest goes in the next one."""


async def expire(parts: Parts, before: float, commits_max: int = COMMITS_MAX) -> int:
    """Deletes the rows of events of all agents that ended before `before` (UTC seconds); answers how many.

    Bounded by `commits_max` commits. An agent that is busy keeps its rows until the next run. Raises
    `StoreUnavailable`.
    """
    deleted = commits = 0
    async for agent in _agents(parts, before):
        while commits < commits_max:
            gone = await _expire_some(parts, agent, before)
            deleted += gone
            commits += gone > 0
            if gone < DELETES_MAX:
                break
    return deleted


async def _agents(parts: Parts, before: float) -> AsyncIterator[AgentId]:
    """Agents old enough to have anything that old."""
    after = ""
    while True:
        page = await parts.store.agents("", after=after, limit=1000)
        for head in page.items:
            if head.created_at < before:
                yield head.agent
        after = page.after
        if not after:
            return


async def _expire_some(parts: Parts, agent: AgentId, before: float) -> int:
    """One commit's worth of one agent, oldest first."""
    server = ContextMCPServer(agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)
    await server.initialize()
    keys = await _expired(parts, agent, before)
    if not keys or not server.etag:
        return 0
    head = msgspec.structs.replace(server.head, version=server.head.version + 1)
    try:
        await server.commit(Change(head=head, etag=server.etag, deletes=keys))
    except Conflict:
        return 0
    return len(keys)


async def _expired(parts: Parts, agent: AgentId, before: float) -> tuple[str, ...]:
    """Keys of the oldest rows that have expired, as many as one commit deletes; rows that stay are passed over."""
    keys: list[str] = []
    after = ""
    while True:
        page = await parts.store.events(agent, after=after, limit=DELETES_MAX)
        keys += [row.key for row in page.items if _has_expired(row, before)]
        is_young = any(row.status in ENDS and row.finished_at >= before for row in page.items)  # so is all behind it
        after = page.after
        if len(keys) >= DELETES_MAX or is_young or not after:
            return tuple(keys[:DELETES_MAX])


def _has_expired(row: EventRow, before: float) -> bool:
    return row.status in ENDS and row.finished_at < before
