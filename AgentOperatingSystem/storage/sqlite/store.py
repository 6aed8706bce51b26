"""`AgentStore` on one SQLite file.

A commit is one write of the engine: the head's UPDATE is the fence, the events' INSERT the dedupe. With an outbox (the
embedded bus on the same file), outputs and receipts ride in the same transaction, and nothing is left to relay.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, Protocol

import msgspec

from AgentOperatingSystem.errors import Conflict, Duplicate
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.cursors import event_cursor, place_of
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status
from AgentOperatingSystem.storage.sqlite.engine import Engine, Parameters, Statement

OPEN: Final = "status NOT IN ('done', 'failed', 'cancelled')"
"""What the index of open events holds; a query has to say it in these words to be answered from it."""
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS heads (
         agent TEXT UNIQUE NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL, state BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS events (
         agent TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL,
         place INTEGER NOT NULL, due REAL NOT NULL, record BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS events_by_key ON events (agent, key)",
    "CREATE INDEX IF NOT EXISTS events_by_version ON events (agent, version)",
    f"CREATE INDEX IF NOT EXISTS events_not_ended ON events (status, agent, place) WHERE {OPEN}",
    """CREATE TABLE IF NOT EXISTS rows (
         agent TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
         PRIMARY KEY (agent, kind, name)) WITHOUT ROWID""",
)
MOVE_HEAD: Final = Statement(
    "UPDATE heads SET version = ?, record = ?, state = ? WHERE agent = ? AND version = ?", 0, must_change=True
)
FIRST_HEAD: Final = Statement(
    "INSERT INTO heads (agent, version, record, state) VALUES (?, ?, ?, ?)", 0, must_change=True
)
ADD_EVENT: Final = Statement("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", 1, must_change=True)
MOVE_EVENT: Final = Statement(
    "UPDATE events SET version = ?, status = ?, place = ?, due = ?, record = ? WHERE agent = ? AND key = ?",
    2,
    must_change=True,
)
DROP_EVENT: Final = Statement("DELETE FROM events WHERE agent = ? AND key = ?", 2)
SET_ROW: Final = Statement("INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", 3)
DROP_ROW: Final = Statement("DELETE FROM rows WHERE agent = ? AND kind = ? AND name = ?", 3)
ERASE: Final = tuple(Statement(f"DELETE FROM {table} WHERE agent = ?", 4) for table in ("events", "rows", "heads"))

Runs = list[tuple[Statement, Parameters]]
_encode = msgspec.json.Encoder().encode
_head: Final = msgspec.json.Decoder(Head)
_event: Final = msgspec.json.Decoder(EventRow)
_replace = msgspec.structs.replace


class Outbox(Protocol):
    """A bus on the same file: what a commit sends and settles is written in the commit's own transaction."""

    def carry(self, messages: Sequence[Message], receipts: Sequence[str]) -> tuple[Runs, list[Message]]:
        """The statements that keep `messages` and consume `receipts`, and what is to be handed out after them."""
        ...

    def carried(self, load: Sequence[Message], receipts: Sequence[str]) -> None:
        """The transaction is durable: hand the load out."""
        ...


class SqliteAgentStore:
    """The embedded store."""

    def __init__(self, engine: Engine, outbox: Outbox | None = None) -> None:
        self._engine = engine
        self._outbox = outbox

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        found = self._engine.read("SELECT version, record, state FROM heads WHERE agent = ?", (agent.partition,))
        if not found:
            return None
        version, record, state = found[0]
        return _replace(_head.decode(record), state=state), str(version)

    async def commit(self, change: Change) -> Committed:
        agent, outbox = change.head.agent.partition, self._outbox
        runs: Runs = [_move_head(agent, change)]
        for row in change.inserts:
            runs.append((ADD_EVENT, _new_event(agent, row, outbox is not None)))
        for row in change.updates:
            runs.append((MOVE_EVENT, _moved_event(agent, row, outbox is not None)))
        for key in change.deletes:
            runs.append((DROP_EVENT, (agent, key)))
        for small in change.rows:
            runs.append(_small_row(agent, small))
        load: list[Message] = []
        if outbox is not None:
            more, load = outbox.carry(_outputs(change), change.receipts)
            runs += more
        await self._engine.write(runs, lambda connection: _why_refused(connection, agent, change))
        if outbox is not None:
            outbox.carried(load, change.receipts)
        return Committed(str(change.head.version), relayed=outbox is not None)

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        found = self._engine.read("SELECT record FROM events WHERE agent = ? AND key = ?", (agent.partition, key))
        return _event.decode(found[0][0]) if found else None

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        found = self._engine.read(
            f"""SELECT record FROM events WHERE {OPEN} AND status = 'parked' AND agent = ? AND due <= ?
                ORDER BY place, key LIMIT ?""",
            (agent.partition, due_by, limit),
        )
        return tuple(_event.decode(record) for (record,) in found)

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        found = await self._engine.scan(
            """SELECT version, key, record FROM events
               WHERE agent = ? AND (version, key) > (?, ?) AND (? = '' OR status = ?) ORDER BY version, key LIMIT ?""",
            (agent.partition, *place_of(after), status or "", status or "", limit + 1),
        )
        return _page([(event_cursor(version, key), _event.decode(record)) for version, key, record in found], limit)

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        agent, _, key = after.rpartition(":")
        found = await self._engine.scan(
            f"""SELECT agent, key, record FROM events
                WHERE {OPEN} AND status = ? AND agent >= ? AND agent < ? AND (agent, key) > (?, ?)
                ORDER BY agent, key LIMIT ?""",
            (status, f"{tenant}|", f"{tenant}}}", agent, key, limit + 1),
        )
        return _page([(f"{agent}:{key}", _event.decode(record)) for agent, key, record in found], limit)

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        found = self._engine.read(
            "SELECT value FROM rows WHERE agent = ? AND kind = ? AND name = ?", (agent.partition, kind, name)
        )
        return bytes(found[0][0]) if found else None

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        found = await self._engine.scan(
            """SELECT name, value FROM rows WHERE agent = ? AND kind = ? AND name > ? AND name >= ? AND name < ?
               ORDER BY name LIMIT ?""",
            (agent.partition, kind, after, prefix, _beyond(prefix), limit + 1),
        )
        return _page([(name, Row(kind, name, value)) for name, value in found], limit)

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        first = f"{tenant}|{prefix}" if tenant else ""
        found = await self._engine.scan(
            """SELECT agent, record FROM heads WHERE agent > ? AND agent >= ? AND agent < ?
               AND substr(agent, instr(agent, '|') + 1, ?) = ? ORDER BY agent LIMIT ?""",
            (after, first, _beyond(first), len(prefix), prefix, limit + 1),
        )
        return _page([(agent, _head.decode(record)) for agent, record in found], limit)

    async def erase(self, agent: AgentId) -> None:
        await self._engine.write([(statement, (agent.partition,)) for statement in ERASE])

    async def close(self) -> None:
        await self._engine.close()


async def fill(engine: Engine, heads: Iterable[Head]) -> None:
    """Creates many agents at once, a thousand per transaction: for imports and benchmarks.

    Raises `Conflict` where one exists.
    """
    some = iter(heads)
    while part := list(islice(some, 1000)):
        runs = [_move_head(head.agent.partition, Change(head=head, etag="")) for head in part]
        await engine.write(runs, lambda connection: Conflict("one of these agents exists already"))


def _move_head(agent: str, change: Change) -> tuple[Statement, Parameters]:
    head = change.head
    record = _encode(_replace(head, state=b""))
    if not change.etag:
        return FIRST_HEAD, (agent, head.version, record, head.state)
    version = int(change.etag) if change.etag.isdecimal() else -1  # an ETag that is none of ours fits nothing
    return MOVE_HEAD, (head.version, record, head.state, agent, version)


def _outputs(change: Change) -> list[Message]:
    """Everything that the change sends, in the order of handling: what was parked came first."""
    sent = [message for row in (*change.updates, *change.inserts) for message in row.outputs]
    return [*sent, *change.outputs]


def _new_event(agent: str, row: EventRow, carried: bool) -> Parameters:
    return (agent, row.version, row.key, row.status.value, row.order, row.due, _record(row, carried))


def _moved_event(agent: str, row: EventRow, carried: bool) -> Parameters:
    return (row.version, row.status.value, row.order, row.due, _record(row, carried), agent, row.key)


def _record(row: EventRow, carried: bool) -> bytes:
    """The row as JSON; outputs that the transaction sends itself need not be kept."""
    return _encode(_replace(row, outputs=()) if carried and row.outputs else row)


def _small_row(agent: str, row: Row) -> tuple[Statement, Parameters]:
    if row.value is None:
        return DROP_ROW, (agent, row.kind, row.name)
    return SET_ROW, (agent, row.kind, row.name, row.value)


def _why_refused(connection: sqlite3.Connection, agent: str, change: Change) -> Exception:
    """The fence first, then the dedupe marks."""
    stored = connection.execute("SELECT version FROM heads WHERE agent = ?", (agent,)).fetchone()
    etag = str(stored[0]) if stored else ""
    if etag != change.etag:
        return Conflict(f"{change.head.agent}: the stored ETag is {etag!r}, not {change.etag!r}")
    known = [row.key for row in change.inserts if _exists(connection, agent, row.key)]
    if known:
        return Duplicate(known)
    return Conflict(f"{change.head.agent}: a row that was to move on is gone")


def _exists(connection: sqlite3.Connection, agent: str, key: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM events WHERE agent = ? AND key = ?", (agent, key)).fetchone())


def _beyond(prefix: str) -> str | bytes:
    """What is above all texts that begin with `prefix`, and above nothing else that is."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return b""  # to SQLite, every blob is above every text
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


def _page(found: list[tuple[str, Any]], limit: int) -> Page[Any]:
    items = found[:limit]
    return Page(tuple(item for _, item in items), items[-1][0] if len(found) > limit else "")
