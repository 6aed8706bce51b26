"""DBOS on SQLite on the canonical work: a workflow for each event under the event's id, so that it is applied once.

At its best: the file in WAL mode (by itself DBOS leaves SQLite's slower default), logging off, the workflow called
directly so that nothing polls for its result, and one worker thread, because SQLite lets only one write. The result
event is the workflow's recorded output.
"""

import asyncio
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource

from AgentOperatingSystem.proof.bench.work import State, handle, new_state

Workflow = Callable[[int, str], dict[str, Any]]

_CREATE = sa.text("CREATE TABLE agents (number INTEGER PRIMARY KEY, state TEXT NOT NULL)")
_INSERT = sa.text("INSERT INTO agents VALUES (:number, :state)")
_SELECT = sa.text("SELECT state FROM agents WHERE number = :number")
_UPDATE = sa.text("UPDATE agents SET state = :state WHERE number = :number")


class _OnSQLite(ABC):
    """What both forms share: DBOS on a file of its own, and the thread that runs its workflows."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1)

    @abstractmethod
    def workflow(self, file: Path, agents: int) -> Workflow:
        """The function that applies one event, once everything that it needs is there."""

    async def start(self, folder: Path, agents: int) -> None:
        file = folder / "dbos.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{file}", "log_level": "ERROR"})
        self._workflow = DBOS.workflow()(self.workflow(file, agents))
        DBOS.launch()

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._run, agent_number, event_id, text)

    async def stop(self) -> None:
        self._worker.shutdown()
        DBOS.destroy()

    def counters(self) -> Mapping[str, float]:
        return {}

    def _run(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        with SetWorkflowID(event_id):
            return self._workflow(agent_number, text)


class Dbos(_OnSQLite):
    """The `dbos_sqlite` contestant, the usual form: the workflow's one step is a transaction on the agent's row."""

    name = "dbos_sqlite"

    def workflow(self, file: Path, agents: int) -> Workflow:
        self._rows = rows = SQLAlchemyDatasource.create(f"sqlite:///{file}")
        with rows.engine.begin() as connection:
            state = json.dumps(new_state())
            connection.execute(_CREATE)
            connection.execute(_INSERT, [{"number": number, "state": state} for number in range(agents)])

        @rows.transaction()
        def apply(agent_number: int, text: str) -> dict[str, Any]:
            session = rows.sql_session()
            state: State = json.loads(session.execute(_SELECT, {"number": agent_number}).scalar_one())
            result = handle(state, text)
            session.execute(_UPDATE, {"number": agent_number, "state": json.dumps(state)})
            return {**result}

        def on_event(agent_number: int, text: str) -> dict[str, Any]:
            return apply(agent_number, text)

        return on_event

    async def state(self, agent_number: int) -> State:
        with self._rows.engine.connect() as connection:
            state: State = json.loads(connection.execute(_SELECT, {"number": agent_number}).scalar_one())
        return state


class DbosLean(_OnSQLite):
    """The `dbos_sqlite_lean` contestant, the leanest form: no step; the workflow's recorded output carries the state.

    To begin again after a crash, one would look for the output of the agent's last workflow.
    """

    name = "dbos_sqlite_lean"

    def __init__(self) -> None:
        super().__init__()
        self._awake: dict[int, State] = {}
        self._last_event: dict[int, str] = {}

    def workflow(self, file: Path, agents: int) -> Workflow:
        def on_event(agent_number: int, text: str) -> dict[str, Any]:
            state = self._awake.setdefault(agent_number, new_state())
            result = handle(state, text)
            self._last_event[agent_number] = str(DBOS.workflow_id)
            return {**result, "state": json.dumps(state)}

        return on_event

    async def state(self, agent_number: int) -> State:
        recorded: Any = await DBOS.get_result_async(self._last_event[agent_number])
        state: State = json.loads(recorded["state"])
        return state
