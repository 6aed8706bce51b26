"""One turn's commits: the claims and steps while its handlers run, and the last one. Each is fenced by the head.

The kernel opens it with the turn's `Work`; journals append through it, many at once: what comes while a commit is under
way rides in the next. Whoever lost the fence learns it here, at its next step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from AgentOperatingSystem.errors import AOSError, Conflict
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.orchestration.awake import Awake
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.history import Keeper
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import STATE, Change, EventRow, Row

ROWS_MAX = 90
"""Rows per append; a store's transaction holds 100."""
COMMIT_MAX = 95
"""Rows per commit, beside the head."""
USUAL_MAX = 25
"""Rows for which there is room before an event is handled."""
LINGER_SECONDS = 0.005
"""How long a row that may be written behind waits for company; short beside any answer of a model."""


class Commits:
    """The way of one turn to the store; one commit at a time."""

    def __init__(
        self,
        parts: Parts,
        awake: Awake,
        work: Work,
        pay: Callable[[], Awaitable[None]],
        tell: Callable[[EventRow], None],
    ) -> None:
        self.work = work
        self.pay = pay
        """Sends what earlier turns committed and perhaps never sent; it leaves before anything of this turn."""
        self._parts = parts
        self.awake = awake
        self._tell = tell
        self._lock = asyncio.Lock()
        self._pending: dict[tuple[str, str], Row] = {}
        self._lost: Exception | None = None
        self._blobs = False
        self._outputs: list[Message] = []
        self.when_lost: Callable[[], Awaitable[None]] | None = None
        """Called where another host has taken the agent over. Must not raise."""
        self._writing: asyncio.Task[None] | None = None

    async def commit(self, receipts: tuple[str, ...] = ()) -> bool:
        """Commits what the turn did since the last time; says whether its outputs are sent already.

        Raises `Conflict`, `Duplicate`, `StoreUnavailable`.
        """
        async with self._lock:
            try:
                return await self._commit(receipts)
            except Conflict:
                await self._overtaken()
                raise

    async def claim(self, case: Case) -> None:
        """Takes an event in hand durably, together with all that the turn did before it, which is told and sent now.

        Raises as `commit` does.
        """
        async with self._lock:
            await self.pay()
            await Keeper(self._parts, self.awake, self.work).found(claims=True)
            self.work.claim(case)
            await self._commit_so_far()

    async def make_room(self, rows: int = USUAL_MAX) -> None:
        """Commits what the turn did so far, which is told and sent now, where so many more rows would not fit one
        transaction of a store. Raises as `commit` does.
        """
        if self._changed + rows <= COMMIT_MAX or not self._changed:
            return
        async with self._lock:
            await self.pay()
            await self._commit_so_far()

    @property
    def _changed(self) -> int:
        """How many rows the turn has changed since its last commit."""
        return len(self.work.inserts) + len(self.work.updates) + len(self.work.rows)

    async def _commit_so_far(self) -> None:
        relayed, outputs = await self._commit(), self.work.outputs()
        if outputs and not relayed:
            await self._parts.bus.send(outputs)
        self.awake.owed = ()
        for row in self.work.committed(self.awake.server.head):
            self._tell(row)

    def write(self, *rows: Row, blob: bool = False, outputs: Sequence[Message] = ()) -> None:
        """Begins to make rows of the journal durable; whatever is appended or committed next waits for them. `blob`
        says that one of them points at one; `outputs` leave with them.
        """
        self._add(rows, blob, outputs)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon(), name="aos-journal")

    async def append(self, *rows: Row, blob: bool = False, outputs: Sequence[Message] = ()) -> None:
        """Makes rows of the journal durable, and all that was written before. Raises as `commit` does, and after the
        fence was lost always.
        """
        self._add(rows, blob, outputs)
        await self._write()
        self.check()

    def abandon(self) -> None:
        """The turn is over before its last commit: nothing more is written."""
        if self._writing is not None:
            self._writing.cancel()

    def check(self) -> None:
        """Raises what an earlier commit of this turn failed with."""
        if self._lost is not None:
            raise self._lost

    def _add(self, rows: Sequence[Row], blob: bool, outputs: Sequence[Message]) -> None:
        self._blobs = self._blobs or blob
        self._pending.update({(row.kind, row.name): row for row in rows})
        self._outputs += outputs

    async def _write_soon(self) -> None:
        """Lingers for what comes next: steps that follow each other at once are one commit."""
        await asyncio.sleep(LINGER_SECONDS)
        await self._write()

    async def _write(self) -> None:
        """Appends all that is pending. What goes wrong is kept: the next one who asks is told."""
        async with self._lock:
            try:
                while self._pending and self._lost is None:
                    await self._append_some()
            except AOSError as error:
                self._lost = error
                if isinstance(error, Conflict):
                    await self._overtaken()

    async def _overtaken(self) -> None:
        tell, self.when_lost = self.when_lost, None
        if tell is not None:
            await tell()

    async def _commit(self, receipts: tuple[str, ...] = ()) -> bool:
        """What is not written yet rides along."""
        self.check()
        while self._pending and self._changed + len(self._pending) > COMMIT_MAX:
            await self._append_some()
        self.work.rows.update(self._pending)
        self._pending.clear()
        self.abandon()  # it lingers, or waits for the lock that is held here
        self.work.step_blobs = self.work.step_blobs or self._blobs
        while self._outputs:
            self.work.send(self._outputs.pop(0))
        awake, server = self.awake, self.awake.server
        head, content = server.head, awake.current
        if content != awake.committed and awake.kind is not None:
            head = await server.with_state(head, content, awake.kind.codec.schema)
        if any(kind == STATE for kind, _ in self.work.rows):
            blobs = head.step_blobs or self.work.state_blobs
            head = msgspec.structs.replace(head, keeps_states=True, step_blobs=blobs)
        committed = await server.commit(self.work.change(head, server.etag, receipts))
        awake.committed, awake.owed = content, server.head.unrelayed
        for row in (*self.work.inserts, *self.work.updates):
            awake.note(row.key)
        return committed.relayed

    async def _append_some(self) -> None:
        names = list(self._pending)[:ROWS_MAX]
        rows = tuple(self._pending.pop(name) for name in names)
        server = self.awake.server
        head = msgspec.structs.replace(
            server.head,
            version=server.head.version + 1,
            unrelayed=(),
            step_blobs=server.head.step_blobs or self._blobs,
            updated_at=self._parts.clock.now(),
        )
        outputs, self._outputs = tuple(self._outputs), []
        committed = await server.commit(Change(head=head, etag=server.etag, rows=rows, outputs=outputs))
        self.work.head = server.head
        if outputs and not committed.relayed:
            await self._parts.bus.send(outputs)
