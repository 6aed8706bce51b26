"""What outlives the process: one SQLite file, written once for each round of the server.

`broker` notes changes here while it decides; `server` takes them, has them committed and fsynced in a thread, and only
then lets any client hear of anything that depends on them. The last change of a row is the only one that is written.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.broker import restoring
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, Message, State
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import parse

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    path TEXT, sequence INTEGER, state INTEGER, delivery_count INTEGER, enqueued_ms INTEGER, expires_ms INTEGER,
    due_ms INTEGER, body BLOB, PRIMARY KEY (path, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (path TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    path TEXT, id TEXT, state BLOB, updated_ms INTEGER, PRIMARY KEY (path, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    path TEXT, message_id TEXT, until_ms INTEGER, PRIMARY KEY (path, message_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entity (
    path TEXT PRIMARY KEY, document TEXT, created_ms INTEGER, updated_ms INTEGER) WITHOUT ROWID;
"""
_PUT = {
    "message": "REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "counter": "REPLACE INTO counter VALUES (?, ?)",
    "session": "REPLACE INTO session VALUES (?, ?, ?, ?)",
    "seen": "REPLACE INTO seen VALUES (?, ?, ?)",
    "entity": "REPLACE INTO entity VALUES (?, ?, ?, ?)",
}
_DROP = {
    "message": "DELETE FROM message WHERE path = ? AND sequence = ?",
    "seen": "DELETE FROM seen WHERE path = ? AND message_id = ?",
    "entity": "DELETE FROM entity WHERE path = ?",
}
Key = tuple[Any, ...]
Rows = dict[Key, tuple[Any, ...] | None]


@dataclass(slots=True)
class Changes:
    """`rows`: table → key → the rest of the row, or None for a row that is gone. `forgotten`: paths of which nothing
    from before stays; their rows that came after it are in `rows`."""

    rows: dict[str, Rows] = field(default_factory=lambda: {table: {} for table in _PUT})
    forgotten: dict[str, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.forgotten) or any(self.rows.values())


class Store:
    """The file, and the changes that are not in it yet. Implements `broker.records.Journal`."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second broker on the file is refused
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error:
            self._database.close()
            raise
        self._changes = Changes()

    def put(self, path: str, message: Message) -> None:
        """See `Journal`."""
        self._changes.rows["message"][path, message.sequence] = (
            int(message.state),
            message.delivery_count,
            message.enqueued_ms,
            message.expires_ms,
            message.due_ms,
            message.envelope.stored(),
        )

    def drop(self, path: str, sequence: int) -> None:
        """See `Journal`."""
        self._changes.rows["message"][path, sequence] = None

    def counter(self, path: str, next_sequence: int) -> None:
        """See `Journal`."""
        self._changes.rows["counter"][(path,)] = (next_sequence,)

    def session(self, path: str, lane: Lane) -> None:
        """See `Journal`."""
        self._changes.rows["session"][path, lane.id] = (lane.state, lane.updated_ms)

    def seen(self, path: str, message_id: str, until_ms: int | None) -> None:
        """See `Journal`."""
        self._changes.rows["seen"][path, message_id] = None if until_ms is None else (until_ms,)

    def entity(self, path: str, document: str | None, created_ms: int, updated_ms: int) -> None:
        """See `Journal`."""
        row = None if document is None else (document, created_ms, updated_ms)
        self._changes.rows["entity"][(path,)] = row

    def forget(self, path: str) -> None:
        """See `Journal`."""
        for rows in self._changes.rows.values():
            for key in [each for each in rows if each[0] == path]:
                del rows[key]
        self._changes.forgotten[path] = None

    def entities(self) -> list[tuple[str, str, int, int]]:
        """What administration made: (path, description, made, changed), topics before their subscriptions."""
        found = self._database.execute("SELECT path, document, created_ms, updated_ms FROM entity")
        return sorted(found.fetchall(), key=lambda row: (row[0].count("/subscriptions/"), row[2], row[0]))

    def take(self) -> Changes | None:
        """What has changed since the last call, if anything."""
        if not self._changes:
            return None
        taken, self._changes = self._changes, Changes()
        return taken

    def commit(self, changes: Changes) -> None:
        """Writes and fsyncs, in any thread, one call at a time; what raises `sqlite3.Error` has written nothing."""
        run = self._database.executemany
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for path in changes.forgotten:
                for table in _PUT:
                    self._database.execute(f"DELETE FROM {table} WHERE path = ?", (path,))
            for table, rows in changes.rows.items():
                gone = [key for key, row in rows.items() if row is None]
                if gone:
                    run(_DROP[table], gone)
                run(_PUT[table], [(*key, *row) for key, row in rows.items() if row is not None])
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def load(self, namespace: Namespace) -> int:
        """Fills the namespace; answers how many messages are of entities that are not declared any more (they stay in
        the file)."""
        select = self._database.execute
        for path, next_sequence in select("SELECT path, next FROM counter"):
            restoring.restore_counter(namespace, path, next_sequence)
        for row in select("SELECT path, id, state, updated_ms FROM session"):
            restoring.restore_session(namespace, *row)
        for row in select("SELECT path, message_id, until_ms FROM seen ORDER BY until_ms"):
            restoring.restore_seen(namespace, *row)
        rows = select("SELECT * FROM message ORDER BY path, sequence")
        unknown = sum(not restoring.restore_message(namespace, path, _message(*rest)) for path, *rest in rows)
        restoring.resume(namespace)
        return unknown

    def close(self) -> None:
        """Writes what is left and closes the file."""
        changes = self.take()
        if changes is not None:
            self.commit(changes)
        self._database.close()


def _message(
    sequence: int,
    state: int,
    delivery_count: int,
    enqueued_ms: int,
    expires_ms: int | None,
    due_ms: int | None,
    body: bytes,
) -> Message:
    return Message(sequence, parse(body), enqueued_ms, expires_ms, due_ms, State(state), delivery_count)
