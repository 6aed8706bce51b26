"""Retention: what has ended long ago goes, in bounded commits; what is open or put aside is never touched.

Counted from an event's end. Its row is its dedupe mark too, so it stays at least for the dedupe window. Run by the
system every hour (`agent_operating_system.py`), together with the collector of blobs.
"""

from collections.abc import AsyncIterator

import msgspec

from AgentOperatingSystem.agents.steps import STEP
from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.budgets.book import BUDGET, EVENT
from AgentOperatingSystem.orchestration.history import kept_name
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import ENDS, STATE, Change, EventRow, Head, Row

_PLACE_LAST = 9999
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
            gone, more = await _expire_some(parts, agent, before)
            deleted += gone
            commits += gone > 0
            if not more:
                break
    return deleted


async def _agents(parts: Parts, before: float) -> AsyncIterator[AgentId]:
    """Agents old enough to have anything that old."""
    async for head in _heads(parts):
        if head.created_at < before:
            yield head.agent


async def _heads(parts: Parts) -> AsyncIterator[Head]:
    """All agents, a page at a time."""
    after = ""
    while True:
        page = await parts.store.agents("", after=after, limit=1000)
        for head in page.items:
            yield head
        after = page.after
        if not after:
            return


async def _expire_some(parts: Parts, agent: AgentId, before: float) -> tuple[int, bool]:
    """One commit's worth of one agent, oldest first: how many rows, and whether there is more."""
    server = ContextMCPServer(agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)
    await server.initialize()
    rows = await _expired(parts, agent, before)
    if not rows or not server.etag:
        return 0, False
    steps = await _steps(parts, agent, rows)  # they go first, so that no step outlives its event
    if not steps and server.head.keeps_states:
        steps = await _states(parts, agent, kept_name(max(row.version for row in rows), _PLACE_LAST))
    keys = () if steps else tuple(row.key for row in rows)
    head = msgspec.structs.replace(server.head, version=server.head.version + 1)
    try:
        await server.commit(Change(head=head, etag=server.etag, deletes=keys, rows=steps))
    except Conflict:
        return 0, False
    return len(keys) + len(steps), bool(steps) or len(keys) == DELETES_MAX


async def _expired(parts: Parts, agent: AgentId, before: float) -> list[EventRow]:
    """The oldest rows that have expired, as many as one commit deletes; rows that stay are passed over."""
    found: list[EventRow] = []
    after = ""
    while True:
        page = await parts.store.events(agent, after=after, limit=DELETES_MAX)
        found += [row for row in page.items if _has_expired(row, before)]
        is_young = any(row.status in ENDS and row.finished_at >= before for row in page.items)  # so is all behind it
        after = page.after
        if len(found) >= DELETES_MAX or is_young or not after:
            return found[:DELETES_MAX]


async def _steps(parts: Parts, agent: AgentId, rows: list[EventRow]) -> tuple[Row, ...]:
    """The steps of these events, and their accounts, as deletions; as many as one commit takes."""
    found: list[Row] = []
    for row in rows:
        for kind, prefix in ((STEP, f"{row.key}/"), (BUDGET, f"{EVENT}{row.key}/")):
            if row.claims and len(found) < DELETES_MAX:
                page = await parts.store.rows(agent, kind, prefix, limit=DELETES_MAX - len(found))
                found += [Row(kind, each.name, None) for each in page.items]
    return tuple(found)


async def trim_states(parts: Parts, states_max: int, since: float, commits_max: int = COMMITS_MAX) -> int:
    """Deletes all but the newest `states_max` kept states of each agent that has changed since `since` (UTC seconds);
    answers how many. Bounded by `commits_max` commits. Raises `StoreUnavailable`.
    """
    deleted = commits = 0
    async for head in _heads(parts):
        while head.keeps_states and head.updated_at >= since and commits < commits_max:
            gone = await _trim_some(parts, head.agent, states_max)
            deleted += gone
            commits += 1
            if gone < DELETES_MAX:
                break
    return deleted


async def _trim_some(parts: Parts, agent: AgentId, states_max: int) -> int:
    server = ContextMCPServer(agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)
    await server.initialize()
    kept = await parts.store.rows(agent, STATE, limit=states_max)
    rows = await _states(parts, agent, kept.after) if kept.after else ()
    if not rows or not server.etag:
        return 0
    head = msgspec.structs.replace(server.head, version=server.head.version + 1)
    try:
        await server.commit(Change(head=head, etag=server.etag, rows=rows))
    except Conflict:
        return 0
    return len(rows)


async def _states(parts: Parts, agent: AgentId, after: str) -> tuple[Row, ...]:
    """Kept states behind this name, which are older, as deletions; as many as one commit takes."""
    page = await parts.store.rows(agent, STATE, after=after, limit=DELETES_MAX)
    return tuple(Row(STATE, row.name, None) for row in page.items)


def _has_expired(row: EventRow, before: float) -> bool:
    return row.status in ENDS and row.finished_at < before
