"""The collector of orphaned blobs: what a lost race or a newer state left behind is deleted, and nothing else.

Run by the host on a schedule. It needs no lock against writers: a writer always puts its blob again before it commits a
head that points there, which makes the blob young, and the young are left alone by both the list and the delete.
"""

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import STEP

_PAGE = 1000
"""How many heads or rows are read at once."""


class _Step(msgspec.Struct):
    """What the collector reads of a step."""

    result_blob: str = ""


_step = msgspec.json.Decoder(_Step)


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
    """The blobs of all heads of all tenants, and of their steps."""
    names: set[str] = set()
    after = ""
    while True:
        page = await store.agents("", after=after, limit=_PAGE)
        names.update(head.state_blob for head in page.items if head.state_blob)
        for head in page.items:
            if head.step_blobs:
                names |= await _of_steps(store, head.agent)
        after = page.after
        if not after:
            return names


async def _of_steps(store: AgentStore, agent: AgentId) -> set[str]:
    """The blobs of one agent's steps."""
    names: set[str] = set()
    after = ""
    while True:
        page = await store.rows(agent, STEP, after=after, limit=_PAGE)
        steps = [_step.decode(row.value) for row in page.items if row.value is not None]
        names.update(step.result_blob for step in steps if step.result_blob)
        after = page.after
        if not after:
            return names
