"""The floor: what is physically there when nothing but the durable writes is done.

sqlite3, one writer thread, at most 64 transactions for each COMMIT, WAL, synchronous=FULL. A transaction updates the
agent's row, inserts the event's row and inserts the output's row; there is no check for duplicates, no fence, no
mailbox, no kernel. The event loop hands the thread one list at a time and gets one answer for it: a hop between
threads costs as much as a transaction.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state

TRANSACTIONS_PER_COMMIT_MAX = 64

_SCHEMA = """
CREATE TABLE agents (number INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE events (agent INTEGER, id TEXT, result BLOB NOT NULL, PRIMARY KEY (agent, id)) WITHOUT ROWID;
CREATE TABLE outputs (number INTEGER PRIMARY KEY, agent INTEGER NOT NULL, body BLOB NOT NULL);
"""


_encode = msgspec.json.Encoder().encode


class _Transaction(NamedTuple):
    agent_number: int
    event_id: str
    state: bytes
    result: bytes
    committed: "asyncio.Future[None]"


class Floor:
    """The `floor` contestant."""

    name = "floor"

    def __init__(self) -> None:
        self._awake: dict[int, State] = {}
        self._waiting: list[_Transaction] = []
        self._writing = False
        self._commits = 0
        self._batches: queue.SimpleQueue[list[_Transaction] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="floor-writer")

    async def start(self, folder: Path, agents: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer = _open(folder)
        _fill(self._writer, agents)
        self._reader = _open(folder)
        self._thread.start()

    async def process(self, agent_number: int, event_id: str, text: str) -> Counted:
        state = self._awake.get(agent_number)
        if state is None:
            state = self._awake[agent_number] = await self.state(agent_number)
        result = handle(state, text)
        committed = self._loop.create_future()
        self._waiting.append(_Transaction(agent_number, event_id, _encode(state), _encode(result), committed))
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._hand_over)
        await committed
        return result

    async def state(self, agent_number: int) -> State:
        (text,) = self._reader.execute("SELECT state FROM agents WHERE number = ?", (agent_number,)).fetchone()
        return msgspec.json.decode(text, type=State)

    async def stop(self) -> None:
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()
        for connection in (getattr(self, "_reader", None), getattr(self, "_writer", None)):
            if connection is not None:
                connection.close()

    def counters(self) -> Mapping[str, float]:
        """Every COMMIT syncs the log once. The few syncs of checkpoints are not in it."""
        return {"fsyncs": self._commits}

    def _hand_over(self) -> None:
        batch = self._waiting[:TRANSACTIONS_PER_COMMIT_MAX]
        del self._waiting[:TRANSACTIONS_PER_COMMIT_MAX]
        self._writing = bool(batch)
        if batch:
            self._batches.put(batch)

    def _write(self) -> None:
        """The writer thread: a batch, a COMMIT, an answer."""
        while (batch := self._batches.get()) is not None:
            _commit(self._writer, batch)
            self._commits += 1
            self._loop.call_soon_threadsafe(self._committed, batch)

    def _committed(self, batch: list[_Transaction]) -> None:
        for transaction in batch:
            transaction.committed.set_result(None)
        self._hand_over()


def _open(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON;")
    return connection


def _fill(connection: sqlite3.Connection, agents: int) -> None:
    state = _encode(new_state())
    connection.executescript(_SCHEMA)
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO agents VALUES (?, ?)", ((number, state) for number in range(agents)))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _commit(connection: sqlite3.Connection, batch: list[_Transaction]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("UPDATE agents SET state = ? WHERE number = ?", [(t.state, t.agent_number) for t in batch])
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, ?)", [(t.agent_number, t.event_id, t.result) for t in batch]
    )
    connection.executemany(
        "INSERT INTO outputs (agent, body) VALUES (?, ?)", [(t.agent_number, t.result) for t in batch]
    )
    connection.execute("COMMIT")
