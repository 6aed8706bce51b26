"""`AgentStore` on PostgreSQL.

A commit is one statement, and so one transaction (`commit.py`). The bus in the same database is its outbox: outputs and
receipts ride in it, and nothing is left to relay.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.cursors import event_cursor, place_of
from AgentOperatingSystem.storage.postgres.commit import Submission, head_of
from AgentOperatingSystem.storage.postgres.database import Database
from AgentOperatingSystem.storage.postgres.schema import OPEN
from AgentOperatingSystem.storage.postgres.statements import OPEN_FENCE, Part, composed
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Page, Row, Status

_LAST: Final = "\U0010ffff"
_event: Final = msgspec.json.Decoder(EventRow)


class Outbox(Protocol):
    """A bus in the same database: what a commit sends and settles is written in the commit's own transaction."""

    def carry(self, agent: AgentId, messages: Sequence[Message], receipts: Sequence[str]) -> tuple[list[Part], str]:
        """The parts that keep `messages` and consume `receipts`, and what the statement is to answer."""
        ...

    def carried(
        self, agent: AgentId, messages: Sequence[Message], receipts: Sequence[str], answer: Sequence[Any]
    ) -> None:
        """The transaction is durable."""
        ...


class PostgresAgentStore:
    """The store of hosts that share one PostgreSQL database."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        sql = "SELECT version, record, state FROM heads WHERE agent = $1"
        found = await self._database.read(sql, agent.partition)
        return (head_of(found[0][1], found[0][2]), str(found[0][0])) if found else None

    async def commit(self, change: Change) -> Committed:
        outbox, agent = self._outbox, change.head.agent
        sent = _outputs(change)
        parts, answer = outbox.carry(agent, sent, change.receipts)
        found = await Submission(self._database, change, parts, answer).send()
        outbox.carried(agent, sent, change.receipts, found)
        return Committed(str(change.head.version), relayed=True)

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        sql = "SELECT record FROM events WHERE agent = $1 AND key = $2"
        found = await self._database.read(sql, agent.partition, key)
        return _event.decode(found[0][0]) if found else None

    async def parked(self, agent: AgentId, due_by: float, limit: int) -> tuple[EventRow, ...]:
        found = await self._database.read(
            f"""SELECT record FROM events WHERE {OPEN} AND status = 'parked' AND agent = $1 AND due <= $2
                ORDER BY place, key LIMIT $3""",
            agent.partition,
            due_by,
            limit,
        )
        return tuple(_event.decode(record) for (record,) in found)

    async def events(
        self, agent: AgentId, status: Status | None = None, after: str = "", limit: int = 100
    ) -> Page[EventRow]:
        version, key = place_of(after)
        found = await self._database.read(
            """SELECT version, key, record FROM events
               WHERE agent = $1 AND (version, key) > ($2, $3) AND ($4 = '' OR status = $4)
               ORDER BY version, key LIMIT $5""",
            agent.partition,
            version,
            key,
            status.value if status is not None else "",
            limit + 1,
        )
        return _page([(event_cursor(version, key), _event.decode(record)) for version, key, record in found], limit)

    async def find(self, tenant: str, status: Status, after: str = "", limit: int = 100) -> Page[EventRow]:
        agent, _, key = after.rpartition(":")
        found = await self._database.read(
            f"""SELECT agent, key, record FROM events
                WHERE {OPEN} AND status = $1 AND agent >= $2 AND agent < $3 AND (agent, key) > ($4, $5)
                ORDER BY agent, key LIMIT $6""",
            status.value,
            f"{tenant}|",
            f"{tenant}}}",
            agent,
            key,
            limit + 1,
        )
        return _page([(f"{agent}:{key}", _event.decode(record)) for agent, key, record in found], limit)

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        sql = "SELECT value FROM rows WHERE agent = $1 AND kind = $2 AND name = $3"
        found = await self._database.read(sql, agent.partition, kind, _utf8(name))
        return found[0][0] if found else None

    async def rows(self, agent: AgentId, kind: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Row]:
        first = _utf8(prefix)
        found = await self._database.read(
            """SELECT name, value FROM rows
               WHERE agent = $1 AND kind = $2 AND name > $3 AND name >= $4 AND name < $5
               ORDER BY name LIMIT $6""",
            agent.partition,
            kind,
            _utf8(after),
            first,
            first[:-1] + bytes([first[-1] + 1]) if first else b"\xff",  # UTF-8 has no 0xff
            limit + 1,
        )
        rows = [(name.decode(), value) for name, value in found]
        return _page([(name, Row(kind, name, value)) for name, value in rows], limit)

    async def agents(self, tenant: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        first = f"{tenant}|{prefix}" if tenant else ""
        beyond = _beyond(first) if tenant else _LAST
        found = await self._database.read(
            """SELECT agent, record FROM heads
               WHERE agent > $1 AND agent >= $2 AND agent < $3
                 AND starts_with(substr(agent, strpos(agent, '|') + 1), $4) ORDER BY agent LIMIT $5""",
            after,
            first,
            beyond,
            prefix,
            limit + 1,
        )
        return _page([(agent, head_of(record)) for agent, record in found], limit)

    async def erase(self, agent: AgentId) -> None:
        partition = (agent.partition,)
        parts = [
            OPEN_FENCE,
            Part("heads_gone", "DELETE FROM heads WHERE agent = {0}", partition),
            Part("events_gone", "DELETE FROM events WHERE agent = {0}", partition),
            Part("rows_gone", "DELETE FROM rows WHERE agent = {0}", partition),
        ]
        await self._database.write(*composed(parts, "SELECT 1"))

    async def close(self) -> None:
        await self._database.close()


def _outputs(change: Change) -> list[Message]:
    """Everything that the change sends, in the order of handling: what was parked came first."""
    sent = [message for row in (*change.updates, *change.inserts) for message in row.outputs]
    return [*sent, *change.outputs]


def _utf8(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeError as error:
        raise InvalidInput(f"a name that cannot be stored: {error}") from None


def _beyond(first: str) -> str:
    """What is above all addresses that begin with `first`, which begins with a tenant's name itself."""
    head = first.rstrip(_LAST)
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


def _page(found: list[tuple[str, Any]], limit: int) -> Page[Any]:
    items = found[:limit]
    return Page(tuple(item for _, item in items), items[-1][0] if len(found) > limit else "")
