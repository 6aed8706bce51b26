"""The collector of orphaned blobs: what a lost race or a newer state left behind is deleted, and nothing else.

Run by the host on a schedule. It needs no lock against writers: a writer always puts its blob again before it commits a
head that points there, which makes the blob young, and the young are left alone by both the list and the delete.
"""

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import STATE, STEP

_PAGE = 1000
"""How many heads or rows are read at once."""


class _Row(msgspec.Struct):
    """What the collector reads of a step, or of a kept state."""

    result_blob: str = ""
    blob: str = ""


_row = msgspec.json.Decoder(_Row)


async def collect(store: AgentStore, blobs: BlobStore, older_than_seconds: float, clock: Clock) -> int:
    """Deletes every blob that no head refers to and that was last put more than `older_than_seconds` ago.

    `older_than_seconds` must be above the longest time between a writer's put and its commit, which is the longest
    turn: a blob that is older and that no head refers to is wanted by nobody. Answers how many are gone. Raises
    `StoreUnavailable`; collecting again goes on where it ended.
    """
    before = clock.now() - older_than_seconds
    old = {name async for name, put_at in blobs.names() if put_at <= before}
    if old:  # the heads are read after the list: whoever committed meanwhile is seen
        old -= await _referred_to(store)
    return sum([await blobs.delete(name, unless_put_after=before) for name in sorted(old)])


async def _referred_to(store: AgentStore) -> set[str]:
    """The blobs of all heads of all tenants, of their steps and of their kept states."""
    names: set[str] = set()
    after = ""
    while True:
        page = await store.agents("", after=after, limit=_PAGE)
        names.update(head.state_blob for head in page.items if head.state_blob)
        for head in page.items:
            if head.step_blobs:
                names |= await _of_rows(store, head.agent, STEP)
                names |= await _of_rows(store, head.agent, STATE)
        after = page.after
        if not after:
            return names


async def _of_rows(store: AgentStore, agent: AgentId, kind: str) -> set[str]:
    """The blobs of one agent's steps, or of its kept states."""
    names: set[str] = set()
    after = ""
    while True:
        page = await store.rows(agent, kind, after=after, limit=_PAGE)
        rows = [_row.decode(row.value) for row in page.items if row.value is not None]
        names.update(name for row in rows for name in (row.result_blob, row.blob) if name)
        after = page.after
        if not after:
            return names
