"""One SQLite file, one writer thread, many transactions per fsync.

Callers submit writes; all that are submitted in one round of the event loop go to the writer thread as one batch,
which is one SQLite transaction: one fsync for all of them (WAL, synchronous=FULL). A batch is optimistic: statements
run grouped by table, and where one does not apply (a lost race, a duplicate), the batch is rolled back and done again
write by write, so that only the losers lose.
"""

import asyncio
import contextlib
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, StoreError, StoreUnavailable

BATCH_MAX = 64
BUSY_SECONDS = 30.0
_UNSTORABLE = (UnicodeError, OverflowError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""Raised where SQLite cannot take a value (a lone surrogate, a number beyond 64 bits): the fault of one write alone."""
Parameters = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One SQL statement; within a batch, all runs of a lower `phase` come before those of a higher one."""

    sql: str
    phase: int
    must_change: bool = False
    """Whether each run must change exactly one row; where it does not, the whole write is refused."""


@dataclass(slots=True, eq=False)
class Write:
    """Statements that take effect together or not at all."""

    runs: list[tuple[Statement, Parameters]]
    refused: Callable[[sqlite3.Connection], Exception]
    """Says why a run that must change a row did not; asked in the transaction that is about to be undone."""
    done: asyncio.Future[None]
    error: Exception | None = None


class Engine:
    """The file, its writer thread and its readers. Make it within a running event loop."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        self.path = path
        self.commits = 0
        """How many transactions were committed: each is one fsync."""
        self.when_written: Callable[[], None] | None = None
        """Called after each of them."""
        self._loop = asyncio.get_running_loop()
        self._pending: list[Write] = []
        self._writing = False
        self._in_batch = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._batches: queue.SimpleQueue[list[Write] | None] = queue.SimpleQueue()
        self._writer = _open(path)
        for sql in schema:
            self._writer.execute(sql)
        self._reader = _open(path)
        self._scanner: sqlite3.Connection | None = None
        self._scans = ThreadPoolExecutor(1, "aos-scan")
        self._thread = threading.Thread(target=self._write_forever, name="aos-writer", daemon=True)
        self._thread.start()

    # --- the loop's side ------------------------------------------------------------------------------------

    async def write(
        self, runs: list[tuple[Statement, Parameters]], refused: Callable[[sqlite3.Connection], Exception] | None = None
    ) -> None:
        """Durable when this returns. Raises what `refused` answers, or `StoreUnavailable`."""
        if self._closed:
            raise StoreUnavailable(f"{self.path} is closed")
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending.append(Write(runs, refused or _unexpected, future))
        if not self._writing:
            self._writing = True
            self._idle.clear()
            self._loop.call_soon(self._flush)
        await future

    @property
    def under_way(self) -> int:
        """How many writes were submitted and are not done."""
        return len(self._pending) + self._in_batch

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """A point read, at once: microseconds while its pages are cached. For long lists use `scan`."""
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    async def scan(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """A read that may be long, in a thread of its own."""
        return await self._loop.run_in_executor(self._scans, self._scan, sql, parameters)

    async def close(self) -> None:
        """Writes what was submitted, then lets go of the file."""
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        self._batches.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._scans.shutdown()
        for connection in (self._scanner, self._reader, self._writer):
            if connection is not None:
                connection.close()

    def _flush(self) -> None:
        batch, self._pending = self._pending[:BATCH_MAX], self._pending[BATCH_MAX:]
        self._in_batch = len(batch)
        self._batches.put(batch)

    def _answered(self, batch: list[Write]) -> None:
        self._in_batch = 0
        for write in batch:
            if not write.done.done():  # a caller that was cancelled no longer waits
                _resolve(write)
        if self._pending:
            self._loop.call_soon(self._flush)  # after the callers that were just woken have submitted again
        else:
            self._loop.call_soon(self._rest)
        if self.when_written is not None:
            self._loop.call_soon(self.when_written)

    def _rest(self) -> None:
        if self._pending:
            self._flush()
        else:
            self._writing = False
            self._idle.set()

    def _scan(self, sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        if self._scanner is None:
            self._scanner = _open(self.path)
        try:
            return self._scanner.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    # --- the writer's side ----------------------------------------------------------------------------------

    def _write_forever(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._write_batch(batch)
            except Exception as error:
                self._undo()
                for write in batch:
                    write.error = write.error or StoreUnavailable(f"{self.path}: {error}")
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits for the answer
                self._loop.call_soon_threadsafe(self._answered, batch)

    def _write_batch(self, batch: list[Write]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        if not self._all_at_once(batch):
            self._writer.execute("ROLLBACK")
            self._writer.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._one(write)
        self._writer.execute("COMMIT")
        self.commits += 1

    def _all_at_once(self, batch: list[Write]) -> bool:
        """Everything grouped by statement; False where something did not apply."""
        groups: dict[Statement, list[Parameters]] = {}
        for write in batch:
            for statement, parameters in write.runs:
                groups.setdefault(statement, []).append(parameters)
        try:
            return all(self._group(statement, groups[statement]) for statement in sorted(groups, key=_phase))
        except (sqlite3.IntegrityError, *_UNSTORABLE):
            return False

    def _group(self, statement: Statement, parameters: list[Parameters]) -> bool:
        changed = self._writer.executemany(statement.sql, parameters).rowcount
        return not statement.must_change or changed == len(parameters)

    def _one(self, write: Write) -> None:
        """One write alone; refused, it leaves nothing behind."""
        self._writer.execute("SAVEPOINT one")
        applied, error = self._applied(write)
        if not applied:
            self._writer.execute("ROLLBACK TO one")
            write.error = error or write.refused(self._writer)
        self._writer.execute("RELEASE one")

    def _applied(self, write: Write) -> tuple[bool, Exception | None]:
        try:
            return all(self._group(statement, [parameters]) for statement, parameters in _by_phase(write.runs)), None
        except sqlite3.IntegrityError:
            return False, None
        except _UNSTORABLE as error:
            return False, InvalidInput(f"a value that cannot be stored: {error}")

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("ROLLBACK")


def _resolve(write: Write) -> None:
    if write.error is None:
        write.done.set_result(None)
    else:
        write.done.set_exception(write.error)


def _phase(statement: Statement) -> int:
    return statement.phase


def _by_phase(runs: Iterable[tuple[Statement, Parameters]]) -> list[tuple[Statement, Parameters]]:
    return sorted(runs, key=lambda run: run[0].phase)


def _unexpected(connection: sqlite3.Connection) -> Exception:
    return StoreError("a write that nothing can refuse was refused: the file was changed by something else")


def _open(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if sys.platform == "darwin":  # there, fsync alone does not reach the disk
            connection.execute("PRAGMA fullfsync = ON")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise ConfigurationError(f"{path}: cannot be opened as a SQLite file: {error}") from error
    return connection
