"""What outlives the process: one SQLite file, written once for each round of the server.

`broker` notes changes here while it decides; `server` takes them, has them committed and fsynced in a thread, and only
then lets any client hear of anything that depends on them. The last change of a row is the only one that is written.
"""

import sqlite3
from pathlib import Path
from typing import Any

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
"""
_PUT = {
    "message": "REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "counter": "REPLACE INTO counter VALUES (?, ?)",
    "session": "REPLACE INTO session VALUES (?, ?, ?, ?)",
    "seen": "REPLACE INTO seen VALUES (?, ?, ?)",
}
_DROP = {
    "message": "DELETE FROM message WHERE path = ? AND sequence = ?",
    "seen": "DELETE FROM seen WHERE path = ? AND message_id = ?",
}
Key = tuple[Any, ...]
Changes = dict[str, dict[Key, tuple[Any, ...] | None]]
"""Table → key → the rest of the row, or None for a row that is gone."""


class Store:
    """The file, and the changes that are not in it yet. Implements `broker.records.Journal`."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second broker on the file is refused
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._changes: Changes = {table: {} for table in _PUT}

    def put(self, path: str, message: Message) -> None:
        """See `Journal`."""
        self._changes["message"][path, message.sequence] = (
            int(message.state),
            message.delivery_count,
            message.enqueued_ms,
            message.expires_ms,
            message.due_ms,
            message.envelope.stored(),
        )

    def drop(self, path: str, sequence: int) -> None:
        """See `Journal`."""
        self._changes["message"][path, sequence] = None

    def counter(self, path: str, next_sequence: int) -> None:
        """See `Journal`."""
        self._changes["counter"][(path,)] = (next_sequence,)

    def session(self, path: str, lane: Lane) -> None:
        """See `Journal`."""
        self._changes["session"][path, lane.id] = (lane.state, lane.updated_ms)

    def seen(self, path: str, message_id: str, until_ms: int | None) -> None:
        """See `Journal`."""
        self._changes["seen"][path, message_id] = None if until_ms is None else (until_ms,)

    def take(self) -> Changes | None:
        """What has changed since the last call, if anything."""
        if not any(self._changes.values()):
            return None
        taken, self._changes = self._changes, {table: {} for table in _PUT}
        return taken

    def commit(self, changes: Changes) -> None:
        """Writes and fsyncs, in any thread, one call at a time; what raises `sqlite3.Error` has written nothing."""
        run = self._database.executemany
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for table, rows in changes.items():
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
            namespace.restore_counter(path, next_sequence)
        for row in select("SELECT path, id, state, updated_ms FROM session"):
            namespace.restore_session(*row)
        for row in select("SELECT path, message_id, until_ms FROM seen ORDER BY until_ms"):
            namespace.restore_seen(*row)
        rows = select("SELECT * FROM message ORDER BY path, sequence")
        unknown = sum(not namespace.restore_message(path, _message(*rest)) for path, *rest in rows)
        namespace.resume()
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
