"""Takes an agent off a list of open events that it has no event on any more.

Called by `AzureAgentStore.find`, which meets such agents, for those that have rested for a day. A writer that knows
itself to be listed does not list itself again, so the order matters: look at the entry and the head, see that there is
no such event, then move the head's ETag (now every writer has to read it again, and lists itself anew), and only then
remove the entry, unless it was written again meanwhile.
"""

from contextlib import suppress
from typing import Final

from AgentOperatingSystem.errors import StoreError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.azure import keys
from AgentOperatingSystem.storage.azure.batch import Operation
from AgentOperatingSystem.storage.azure.lists import Reader
from AgentOperatingSystem.storage.azure.table import Table

REST_SECONDS: Final = 86_400.0
"""How long entry and head must not have moved: moving a head would send a turn that is under way back to its start."""


async def unlist(table: Table, reader: Reader, agent: AgentId, status: str) -> None:
    """A chore on the way of a list: whatever fails is done another time."""
    with suppress(StoreError):
        await _unlist(table, reader, agent, status)


async def _unlist(table: Table, reader: Reader, agent: AgentId, status: str) -> None:
    partition = keys.partition_of(agent)
    entry = await table.get(keys.open_partition(agent.tenant, status), keys.ordered(keys.address_of(agent)))
    known = await reader.head(agent, state=False)
    stored = await table.get(partition, keys.HEAD)
    rested = table.calls.clock.now() - REST_SECONDS
    if entry is None or entry.entity["at"] >= rested:  # its first commit may be under way
        return
    if known is not None and stored is not None:
        if known[0].updated_at >= rested or known[1].etag != stored.etag or await _has(reader, agent, status):
            return
        listed = set((stored.entity.get("listed") or "").split("+")) - {"", status}
        moved = dict(stored.entity) | {"listed": "+".join(sorted(listed))}
        await table.transact([Operation("replace", moved, stored.etag)])
    await table.delete_all([entry], conditional=True)


async def _has(reader: Reader, agent: AgentId, status: str) -> bool:
    async for _ in reader.of_status(agent, status, ""):
        return True
    return False
