"""A change as one statement, sent until it is known what became of it.

Called by `PostgresAgentStore.commit`. The fence is the head's own row: `UPDATE … WHERE version`, and every other part
asks whether it gave a row. A duplicate ends the whole statement by the primary key. After a try that was cut off, the
head's commit id tells whether that try had been carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from AgentOperatingSystem.errors import Conflict, Duplicate, StoreUnavailable
from AgentOperatingSystem.storage.postgres.database import Database, Interrupted, NotUnique, pause
from AgentOperatingSystem.storage.postgres.statements import FENCED, Part, composed
from AgentOperatingSystem.storage.records import Change, EventRow, Head, Row

_ALL_THERE: Final = "{6} = (SELECT count(*) FROM events WHERE agent = {0} AND key = ANY({7}::text[]))"
_MOVE_HEAD: Final = f"""UPDATE heads SET version = {{1}}, commit = {{2}}, record = {{3}}, state = {{4}}
    WHERE agent = {{0}} AND version = {{5}} AND {_ALL_THERE} RETURNING 1"""
_FIRST_HEAD: Final = """INSERT INTO heads (agent, version, commit, record, state)
    SELECT {0}::text, {1}::bigint, {2}::uuid, {3}::bytea, {4}::bytea WHERE {5} = 0
    ON CONFLICT DO NOTHING RETURNING 1"""
_ROWS: Final = """unnest({1}::text[], {2}::bigint[], {3}::text[], {4}::bigint[], {5}::float8[], {6}::bytea[])
    AS n (key, version, status, place, due, record)"""
_ADD_EVENTS: Final = f"""INSERT INTO events (agent, key, version, status, place, due, record)
    SELECT {{0}}::text, n.* FROM {_ROWS} WHERE {FENCED}"""
_MOVE_EVENTS: Final = f"""UPDATE events e SET version = n.version, status = n.status, place = n.place, due = n.due,
    record = n.record FROM {_ROWS} WHERE e.agent = {{0}} AND e.key = n.key AND {FENCED}"""
_DROP_EVENTS: Final = f"DELETE FROM events WHERE agent = {{0}} AND key = ANY({{1}}::text[]) AND {FENCED}"
_SET_ROWS: Final = f"""INSERT INTO rows (agent, kind, name, value)
    SELECT {{0}}::text, n.* FROM unnest({{1}}::text[], {{2}}::bytea[], {{3}}::bytea[]) AS n (kind, name, value)
    WHERE {FENCED} ON CONFLICT (agent, kind, name) DO UPDATE SET value = excluded.value"""
_DROP_ROWS: Final = f"""DELETE FROM rows r USING unnest({{1}}::text[], {{2}}::bytea[]) AS n (kind, name)
    WHERE r.agent = {{0}} AND r.kind = n.kind AND r.name = n.name AND {FENCED}"""
_VERSION_DIGITS_MAX: Final = 18
_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace


@dataclass(slots=True)
class Submission:
    """One commit on its way."""

    database: Database
    change: Change
    more: Sequence[Part] = ()
    """Of the bus: what is sent and settled in the same transaction."""
    answer: str = ""
    """What the statement answers, where the fence held; the first column is not null."""
    commit: UUID = field(default_factory=uuid4)
    doubtful: bool = False
    """Whether a try may have been carried out without an answer."""

    async def send(self) -> list[Any]:
        """THE commit: answers the rows that `answer` asks for; none after a try that was cut off.

        Raises `Conflict`, `Duplicate`, `InvalidInput`, `StoreUnavailable`.
        """
        parts = [self._fence(), *self._parts(), *self.more]
        sql, values = composed(parts, f"SELECT a.* FROM fence LEFT JOIN ({self.answer or 'SELECT 1'}) a ON true")
        attempt = 1
        while True:
            try:
                found = await self.database.once(sql, values)
            except NotUnique as error:
                raise await self._why() from error
            except Interrupted as error:
                self.doubtful |= error.doubtful
                await pause(attempt, error)
                attempt += 1
                continue
            if found:
                return [row for row in found if row[0] is not None]
            if self.doubtful and await self._was_mine():
                return []
            raise await self._why()

    def _fence(self) -> Part:
        head = self.change.head
        record = _encode(_replace(head, state=b""))
        values = (head.agent.partition, head.version, self.commit, record, head.state)
        keys = sorted({row.key for row in self.change.updates})
        if not self.change.etag:
            return Part("fence", _FIRST_HEAD.replace("{5}", str(len(keys))), values)
        return Part("fence", _MOVE_HEAD, (*values, _version(self.change.etag), len(keys), keys))

    def _parts(self) -> list[Part]:
        agent, change = self.change.head.agent.partition, self.change
        sets = {(row.kind, row.name): row for row in change.rows}  # the last of one name counts
        kept = [row for row in sets.values() if row.value is not None]
        gone = [row for row in sets.values() if row.value is None]
        parts: list[Part] = []
        if change.inserts:
            parts.append(Part("added", _ADD_EVENTS, (agent, *_columns(change.inserts))))
        if change.updates:
            parts.append(Part("moved", _MOVE_EVENTS, (agent, *_columns(change.updates))))
        if change.deletes:
            parts.append(Part("dropped", _DROP_EVENTS, (agent, list(change.deletes))))
        if kept:
            parts.append(Part("kept", _SET_ROWS, (agent, *_names(kept), [row.value for row in kept])))
        if gone:
            parts.append(Part("gone", _DROP_ROWS, (agent, *_names(gone))))
        return parts

    async def _was_mine(self) -> bool:
        """Whether the stored head is the one that this very commit wrote."""
        sql = "SELECT commit FROM heads WHERE agent = $1"
        found = await self.database.read(sql, self.change.head.agent.partition)
        return bool(found) and found[0][0] == self.commit

    async def _why(self) -> Exception:
        """What the refusal means: the fence first, then the dedupe marks."""
        agent, change = self.change.head.agent, self.change
        keys = [row.key for row in change.inserts]
        sql = """SELECT (SELECT version FROM heads WHERE agent = $1),
            ARRAY(SELECT key FROM events WHERE agent = $1 AND key = ANY($2::text[]))"""
        version, known = (await self.database.read(sql, agent.partition, keys))[0]
        etag = "" if version is None else str(version)
        if etag != change.etag and self.doubtful and not keys and not change.updates:
            return StoreUnavailable(
                f"{agent}: another writer has moved on, and whether this change came before it cannot be told"
            )  # with event rows it can: who tries again meets their dedupe marks
        if etag != change.etag:
            return Conflict(f"{agent}: the stored ETag is {etag!r}, not {change.etag!r}")
        if known:
            return Duplicate(sorted(known, key=keys.index))
        return Conflict(f"{agent}: a row that was to move on is gone, or another writer was faster")


def _version(etag: str) -> int:
    """The version that an ETag stands for; -1, which fits nothing, where it is none of ours."""
    return int(etag) if etag.isdecimal() and len(etag) <= _VERSION_DIGITS_MAX else -1


def _columns(rows: Sequence[EventRow]) -> tuple[list[Any], ...]:
    return (
        [row.key for row in rows],
        [row.version for row in rows],
        [row.status.value for row in rows],
        [row.order for row in rows],
        [row.due for row in rows],
        [_encode(_replace(row, outputs=()) if row.outputs else row) for row in rows],  # the bus sends them itself
    )


def _names(rows: Sequence[Row]) -> tuple[list[str], list[bytes]]:
    return [row.kind for row in rows], [row.name.encode() for row in rows]


def head_of(record: bytes, state: bytes = b"") -> Head:
    """The head as it was committed."""
    return _replace(_head.decode(record), state=state)


_head: Final = msgspec.json.Decoder(Head)
