"""One agent as a JSON document, out and in again: state, history, memory and timers (promise G10: state is yours)."""

import base64

import msgspec

from AgentOperatingSystem.agents.conversation import HEAD, MESSAGE
from AgentOperatingSystem.agents.timers import TIMER, Timer
from AgentOperatingSystem.errors import Conflict, InvalidInput, UnknownAgent
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.control import commit_and_ring
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Change, Control, EventRow, Head, Row

FORMAT = "aos.agent/1"
UNDER_WAY = "it is being imported"
KINDS = ("memory", TIMER, HEAD, MESSAGE)
"""Kinds of small rows."""
_PART = 90
"""Rows per commit; a store's transaction holds 100."""
_replace = msgspec.structs.replace


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The document; bytes are base64."""

    format: str
    head: Head
    state: str
    events: tuple[EventRow, ...]
    rows: tuple[Row, ...]


class Archivist:
    """Export and import of one agent."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def export(self, agent: AgentId) -> Archive:
        """Everything of an agent as of one version.

        Raises `UnknownAgent`; `Conflict` where it is too busy to be read as a whole.
        """
        for _ in range(20):
            server = await self._kernel.awaken_fresh(agent)
            if not server.etag:
                raise UnknownAgent(f"{agent} has never been woken: there is nothing to export")
            state = await server.state_bytes()
            events, rows = await self._events(agent), await self._rows(agent)
            again = await self._parts.store.load(agent)
            if again is not None and again[1] == server.etag:
                head = _replace(server.head, state=b"", state_blob="")
                return Archive(
                    format=FORMAT, head=head, state=base64.b64encode(state).decode(), events=events, rows=rows
                )
        raise Conflict(f"{agent} changes while it is read; pause it, then export")

    async def import_(self, document: bytes, agent: AgentId | None = None) -> AgentId:
        """Makes the agent of a document (or `agent` from it) exist here.

        It is stopped until all of it is here. Raises `InvalidInput`, `Conflict` where it exists already.
        """
        archive = _read(document)
        target = agent or archive.head.agent
        server = await self._kernel.awaken_fresh(target)
        await self._check_free(server)
        head = _replace(
            archive.head,
            agent=target,
            version=max(archive.head.version, server.head.version),  # the rows' places in the history belong to it
            unrelayed=(),
        )
        head = await server.with_state(head, _state_of(archive), head.schema)
        inserts = [_replace(row, event=row.event.to(target), outputs=()) for row in archive.events]
        parts: list[EventRow | Row] = [*inserts, *archive.rows]
        for at in range(0, max(1, len(parts)), _PART):
            is_last = at + _PART >= len(parts)
            head = _replace(head, version=head.version + 1)
            whole = head if is_last else _replace(head, control=Control.STOPPED, reason=UNDER_WAY)
            await self._import_part(server, whole, parts[at : at + _PART])
        return target

    async def _check_free(self, server: ContextMCPServer) -> None:
        """An address is free where nobody was, or where everything but a tombstone is deleted. Raises `Conflict`."""
        head, agent = server.head, server.agent
        bare = head.control is Control.TERMINATED and not head.state and not head.state_blob
        if server.etag and not (bare and not (await self._parts.store.events(agent, limit=1)).items):
            raise Conflict(f"{agent} exists here already; terminate and delete it, or import under another address")

    async def _import_part(self, server: ContextMCPServer, head: Head, part: list[EventRow | Row]) -> None:
        change = Change(
            head=head,
            etag=server.etag,
            inserts=tuple(row for row in part if isinstance(row, EventRow)),
            rows=tuple(row for row in part if isinstance(row, Row)),
        )
        await commit_and_ring(self._parts, self._kernel, server, change, "import")

    async def _events(self, agent: AgentId) -> tuple[EventRow, ...]:
        found: list[EventRow] = []
        after = ""
        while True:
            page = await self._parts.store.events(agent, after=after, limit=1000)
            found += page.items
            after = page.after
            if not after:
                return tuple(found)

    async def _rows(self, agent: AgentId) -> tuple[Row, ...]:
        found: list[Row] = []
        for kind in KINDS:
            after = ""
            while True:
                page = await self._parts.store.rows(agent, kind, after=after, limit=1000)
                found += page.items
                after = page.after
                if not after:
                    break
        return tuple(found)


def _read(document: bytes) -> Archive:
    """The document, if all that lies in it can be read by whoever reads it next. Raises `InvalidInput`."""
    try:
        archive = msgspec.json.decode(document, type=Archive)
        _check_rows(archive)
        _state_of(archive)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not an exported agent: {error}") from None
    if archive.format != FORMAT:
        raise InvalidInput(f"the document's format is {archive.format!r}; this system reads {FORMAT!r}")
    return archive


def _check_rows(archive: Archive) -> None:
    for event in archive.events:
        if event.key != event.event.key or not 0 <= event.version <= archive.head.version:
            raise InvalidInput(f"the document has an event {event.event.id[:80]!r} that is not where it belongs")
    for row in archive.rows:
        if row.kind not in KINDS or row.value is None:
            raise InvalidInput(
                f"the document has a row {row.kind[:80]!r} {row.name[:80]!r} that is none of {', '.join(KINDS)}"
            )
        msgspec.json.decode(row.value, type=Timer if row.kind == TIMER else object)


def _state_of(archive: Archive) -> bytes:
    try:
        state = base64.b64decode(archive.state, validate=True)
    except ValueError as error:
        raise InvalidInput(f"the document's state is not base64: {error}") from None
    if state:
        msgspec.json.decode(state)
    return state
