"""The context server: the one way to an agent's state, history and memory, for the kernel and for everybody else.

The kernel awakens an agent with `initialize` and commits a turn with `commit`; tools and people use `save_state`,
`load_state`, `remember`, `recall`, `history`. `mcp/server.py` offers the same over the Model Context Protocol.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec

from AgentOperatingSystem import storage
from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import AgentTerminated, Conflict
from AgentOperatingSystem.events import Event, check_memory_key, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import Change, Committed, Control, EventRow, Head, Page, Row

INLINE_BYTES_MAX = 64 << 10
_decode = msgspec.json.decode
_replace = msgspec.structs.replace


class Turn(Protocol):
    """The handling of one event, as the context server of its agent sees it."""

    agent: AgentId
    state: Any
    event: Event

    async def remember(self, key: str, value: Any) -> None: ...

    async def forget(self, key: str) -> None: ...

    async def recall(self, key: str) -> Any: ...

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]: ...


class UnderWay:
    """A turn that is under way, until it is left; a task that outlives it is in no turn any more."""

    __slots__ = ("token", "turn")

    def __init__(self, turn: Turn) -> None:
        self.turn: Turn | None = turn
        self.token = _under_way.set(self)

    def leave(self) -> None:
        """The handler is over."""
        self.turn = None
        _under_way.reset(self.token)


_under_way: ContextVar[UnderWay | None] = ContextVar("under_way", default=None)


def current_turn() -> Turn | None:
    """The handling that the caller is part of, of whichever agent; None outside of one."""
    under_way = _under_way.get()
    return under_way.turn if under_way is not None else None


def turn_under_way() -> Turn | None:
    """The turn whose handler this code runs in, if any."""
    under_way = _under_way.get()
    return under_way.turn if under_way is not None else None


class StoredMemory:
    """What an agent has remembered as of the last commit, whatever a turn under way is about to change."""

    def __init__(self, server: "ContextMCPServer") -> None:
        self._server = server

    async def recall(self, key: str) -> Any:
        value = await self._server.the_store().row(self._server.agent, "memory", key)
        return _decode(value) if value is not None else None

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]:
        page = await self._server.the_store().rows(self._server.agent, "memory", prefix, limit=limit)
        return {row.name: _decode(row.value) for row in page.items if row.value is not None}

    async def read_row(self, kind: str, name: str) -> bytes | None:
        return await self._server.the_store().row(self._server.agent, kind, name)

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]:
        page = await self._server.the_store().rows(self._server.agent, kind, prefix, after, limit)
        return {row.name: row.value for row in page.items if row.value is not None}


class ContextMCPServer:
    """State, history and memory of one agent, over the store of the running system (or `store` and `blobs`).

    Within a turn of the same agent, what is read and written here is the turn's: it rides in the turn's one commit.
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
        self.stored = StoredMemory(self)
        self.etag = ""
        """Empty where the agent has never been committed."""

    async def initialize(self) -> None:
        """Reads the head: one read. Raises `StoreUnavailable`."""
        found = await self.the_store().load(self.agent)
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
        turn = self._turn()
        if turn is not None:
            return _decode(_state_bytes(turn.state))
        await self.initialize()
        content = await self.state_bytes()
        return _decode(content) if content else None

    async def save_state(self, state: Any, schema: int | None = None) -> None:
        """Commits a state of its own, outside of any event; `schema` is its version, where that is another one now.

        The last writer wins, but never against a turn that is under way.
        """
        turn = self._turn()
        if turn is not None:
            turn.state = state
        else:
            await self._edit(_state_bytes(state), (), schema)

    async def with_state(self, head: Head, content: bytes, schema: int) -> Head:
        """`head` with a new state; a large one goes to a blob first, so that the commit only points at it."""
        if len(content) <= self._inline_bytes_max:
            return _replace(head, state=content, state_blob="", schema=schema)
        return _replace(head, state=b"", state_blob=await self._the_blobs().put(content), schema=schema)

    # --- the commit -----------------------------------------------------------------------------------------

    async def commit(self, change: Change) -> Committed:
        """Hands the change to the store and remembers the new head and ETag. Raises as `AgentStore.commit` does."""
        committed = await self.the_store().commit(change)
        self.head, self.etag = change.head, committed.etag
        return committed

    # --- history and memory ---------------------------------------------------------------------------------

    async def history(self, after: str = "", limit: int = 100) -> Page[EventRow]:
        """The agent's events in the order of their last change."""
        return await self.the_store().events(self.agent, after=after, limit=limit)

    async def remember(self, key: str, value: Any) -> None:
        """Keeps a JSON value under `key`, at once. Handlers use `context.remember`, which rides in their commit."""
        check_memory_key(key)
        turn = self._turn()
        await (turn.remember(key, value) if turn else self._edit(None, (Row("memory", key, encode(value)),)))

    async def forget(self, key: str) -> None:
        """Removes what was remembered under `key`."""
        turn = self._turn()
        await (turn.forget(key) if turn else self._edit(None, (Row("memory", key, None),)))

    async def remember_all(self, values: Mapping[str, Any]) -> None:
        """Keeps all of these, in one commit; a value of None removes what was there."""
        turn = self._turn()
        if turn is None:
            rows = ((key, encode(value) if value is not None else None) for key, value in values.items())
            await self._edit(None, tuple(Row("memory", check_memory_key(key), value) for key, value in rows))
            return
        for key, value in values.items():
            await (turn.forget(key) if value is None else turn.remember(key, value))

    async def recall(self, key: str) -> Any:
        """What was remembered under `key`, or None."""
        return await (self._turn() or self.stored).recall(key)

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]:
        """What was remembered under keys that begin with `prefix`, by key."""
        return await (self._turn() or self.stored).recall_prefix(prefix, limit)

    async def edit(self, decide: Callable[[], Awaitable[tuple[Row, ...]]]) -> None:
        """Commits the rows that `decide` answers, outside of any turn; it is asked anew where another writer was
        faster.

        Raises `AgentTerminated`; `Conflict` where the agent is too busy.
        """
        await self._edit(None, (), decide=decide)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _edit(
        self,
        state: bytes | None,
        rows: tuple[Row, ...],
        schema: int | None = None,
        decide: Callable[[], Awaitable[tuple[Row, ...]]] | None = None,
    ) -> None:
        """A commit outside of any turn; a lost race reads again, so that it can only add to what others wrote."""
        for _ in range(100):
            await self.initialize()
            if self.head.control is Control.TERMINATED:
                raise AgentTerminated(f"{self.agent} was terminated; nothing of it changes any more")
            rows = await decide() if decide is not None else rows
            now = self._clock.now()
            head = _replace(self.head, version=self.head.version + 1, updated_at=now)
            if state is not None:
                head = await self.with_state(head, state, schema or head.schema)
            try:
                await self.commit(Change(head=head, etag=self.etag, rows=rows))
                return
            except Conflict:
                continue
        raise Conflict(f"{self.agent}: lost the race for the head a hundred times; the agent is too busy to edit")

    @property
    def in_turn(self) -> bool:
        """Whether the caller is part of a turn of this very agent."""
        return self._turn() is not None

    def _turn(self) -> Turn | None:
        """The turn of this very agent that the caller is part of."""
        turn = current_turn()
        return turn if turn is not None and turn.agent == self.agent else None

    def the_store(self) -> AgentStore:
        """The store: the one that was given, or the running system's. Raises `ConfigurationError`."""
        if self._store is None:
            self._store = storage.default_store()
        return self._store

    def _the_blobs(self) -> BlobStore:
        if self._blobs is None:
            self._blobs = storage.default_blobs()
        return self._blobs


def _state_bytes(state: Any) -> bytes:
    return encode(state.model_dump(mode="json") if hasattr(state, "model_dump") else state)
