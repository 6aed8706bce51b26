"""The ports of storage: what the kernel needs of a store, and nothing else.

`AgentStore` speaks ETag, as Orleans' `IStorage` does: optimism is visible, so nobody forgets the race. Contract suites
under tests/contract run the same operations on every implementation.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status


class AgentStore(Protocol):
    """One partition per agent: its head, its events' rows, its small rows.

    Every method raises `StoreUnavailable` where the store cannot be reached.
    """

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        """The head and its ETag; None where the agent has never been committed."""
        ...

    async def commit(self, change: Change) -> Committed:
        """THE commit: all of `change` or nothing of it, durable when this returns.

        Raises `Conflict` where the stored ETag is not `change.etag`, `Duplicate` where a row to insert exists (checked
        after the fence), `Conflict` again where a row to update is gone, `TooLarge` where the change is over the
        store's limits.
        """
        ...

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        """One event's row; `outputs` may be empty where the store has relayed them itself."""
        ...

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        """Parked events whose due time has come, by order."""
        ...

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        """Event rows of one agent in the order of their last change, or those of one status.

        Raises `InvalidInput` where `after` is no page's.
        """
        ...

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        """Event rows of one open or quarantined status over all agents of a tenant."""
        ...

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        """The value of one small row."""
        ...

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        """Small rows of a kind whose names begin with `prefix`, by name."""
        ...

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        """Heads without their state, by address; `prefix` is the beginning of `name/key`, an empty tenant means all."""
        ...

    async def erase(self, agent: AgentId) -> None:
        """Removes everything of an agent, its head included. Doing it twice is the same as once."""
        ...

    async def close(self) -> None:
        """Waits for what is under way and lets go of all resources."""
        ...


class BlobStore(Protocol):
    """Content-addressed bytes: the name is the SHA-256 of the content, so putting twice is the same as once."""

    async def put(self, content: bytes) -> str:
        """Keeps `content` (durable when this returns) and answers its name; a blob that exists is made young again."""
        ...

    async def get(self, name: str) -> bytes:
        """The content, checked against its name.

        Raises `BlobNotFound`, `StateUnreadable` where the bytes are damaged, `InvalidInput` for what is no blob's name.
        """
        ...

    def names(self) -> AsyncIterator[tuple[str, float]]:
        """Every blob with the UTC seconds when it was last put."""
        ...

    async def delete(self, name: str, unless_put_after: float) -> bool:
        """Removes a blob, except where it was put again after `unless_put_after`; says whether it is gone."""
        ...
