"""The collector of orphaned blobs: what a lost race or a newer state left behind is deleted, and nothing else.

Run by the host on a schedule. It needs no lock against writers: a writer always puts its blob again before it commits a
head that points there, which makes the blob young, and the young are left alone by both the list and the delete.
"""

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore

_HEADS = 1000
"""How many heads are read at once."""


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
    """The blobs of all heads of all tenants."""
    names: set[str] = set()
    after = ""
    while True:
        page = await store.agents("", after=after, limit=_HEADS)
        names.update(head.state_blob for head in page.items if head.state_blob)
        after = page.after
        if not after:
            return names
