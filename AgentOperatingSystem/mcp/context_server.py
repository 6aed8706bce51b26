"""The context server: the one way to an agent's state, history and memory, for the kernel and for everybody else.

The kernel awakens an agent with `initialize` and commits a turn with `commit`; tools and people use `save_state`,
`load_state`, `remember`, `recall`, `history`. `mcp/server.py` offers the same over the Model Context Protocol.
"""

from typing import Any

import msgspec

from AgentOperatingSystem import storage
from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import AgentTerminated, Conflict
from AgentOperatingSystem.events import check_memory_key, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import Change, Committed, Control, EventRow, Head, Page, Row

INLINE_BYTES_MAX = 64 << 10
_decode = msgspec.json.decode
_replace = msgspec.structs.replace


class ContextMCPServer:
    """State, history and memory of one agent, over the store of the running system (or `store` and `blobs`).

    Keeps the head and its ETag from the last read or commit, so that a warm commit needs no read.
    """

    def __init__(
        self,
        agent_id: AgentId | str,
        store: AgentStore | None = None,
        blobs: BlobStore | None = None,
        clock: Clock | None = None,
        inline_bytes_max: int = INLINE_BYTES_MAX,
    ) -> None:
        self.agent = AgentId.parse(agent_id) if isinstance(agent_id, str) else agent_id
        self._store = store
        self._blobs = blobs
        self._clock = clock or SystemClock()
        self._inline_bytes_max = inline_bytes_max
        self.head = Head(agent=self.agent)
        self.etag = ""
        """Empty where the agent has never been committed."""

    async def initialize(self) -> None:
        """Reads the head: one read. Raises `StoreUnavailable`."""
        found = await self._the_store().load(self.agent)
        self.head, self.etag = found if found else (Head(agent=self.agent, created_at=self._clock.now()), "")

    # --- state ----------------------------------------------------------------------------------------------

    async def state_bytes(self) -> bytes:
        """The stored state as JSON, fetched from its blob where it is large.

        Raises `BlobNotFound`, `StateUnreadable`.
        """
        if self.head.state_blob:
            return await self._the_blobs().get(self.head.state_blob)
        return self.head.state

    async def load_state(self) -> Any:
        """The stored state as a JSON value, read anew; None where there is none."""
        await self.initialize()
        content = await self.state_bytes()
        return _decode(content) if content else None

    async def save_state(self, state: Any) -> None:
        """Commits a state of its own, outside of any event.

        The last writer wins, but never against a turn that is under way.
        """
        content = encode(state.model_dump(mode="json") if hasattr(state, "model_dump") else state)
        await self._edit(content, ())

    async def with_state(self, head: Head, content: bytes, schema: int) -> Head:
        """`head` with a new state; a large one goes to a blob first, so that the commit only points at it."""
        if len(content) <= self._inline_bytes_max:
            return _replace(head, state=content, state_blob="", schema=schema)
        return _replace(head, state=b"", state_blob=await self._the_blobs().put(content), schema=schema)

    # --- the commit -----------------------------------------------------------------------------------------

    async def commit(self, change: Change) -> Committed:
        """Hands the change to the store and remembers the new head and ETag. Raises as `AgentStore.commit` does."""
        committed = await self._the_store().commit(change)
        self.head, self.etag = change.head, committed.etag
        return committed

    # --- history and memory ---------------------------------------------------------------------------------

    async def history(self, after: str = "", limit: int = 100) -> Page[EventRow]:
        """The agent's events in the order of their last change."""
        return await self._the_store().events(self.agent, after=after, limit=limit)

    async def remember(self, key: str, value: Any) -> None:
        """Keeps a JSON value under `key`, at once. Handlers use `context.remember`, which rides in their commit."""
        check_memory_key(key)
        await self._edit(None, (Row("memory", key, encode(value)),))

    async def forget(self, key: str) -> None:
        """Removes what was remembered under `key`."""
        await self._edit(None, (Row("memory", key, None),))

    async def recall(self, key: str) -> Any:
        """What was remembered under `key`, or None."""
        value = await self._the_store().row(self.agent, "memory", key)
        return _decode(value) if value is not None else None

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]:
        """What was remembered under keys that begin with `prefix`, by key."""
        page = await self._the_store().rows(self.agent, "memory", prefix, limit=limit)
        return {row.name: _decode(row.value) for row in page.items if row.value is not None}

    # --- inside ---------------------------------------------------------------------------------------------

    async def _edit(self, state: bytes | None, rows: tuple[Row, ...]) -> None:
        """A commit outside of any turn; a lost race reads again, so that it can only add to what others wrote."""
        for _ in range(100):
            await self.initialize()
            if self.head.control is Control.TERMINATED:
                raise AgentTerminated(f"{self.agent} was terminated; nothing of it changes any more")
            now = self._clock.now()
            head = _replace(self.head, version=self.head.version + 1, updated_at=now)
            if state is not None:
                head = await self.with_state(head, state, head.schema)
            try:
                await self.commit(Change(head=head, etag=self.etag, rows=rows))
                return
            except Conflict:
                continue
        raise Conflict(f"{self.agent}: lost the race for the head a hundred times; the agent is too busy to edit")

    def _the_store(self) -> AgentStore:
        if self._store is None:
            self._store = storage.default_store()
        return self._store

    def _the_blobs(self) -> BlobStore:
        if self._blobs is None:
            self._blobs = storage.default_blobs()
        return self._blobs
