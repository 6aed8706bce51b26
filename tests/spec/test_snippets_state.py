"""The specification's rows 93 to 97, 106 and 391: state, memory, history, storage and configuration.

Each test names its row. Where a row prints code, the code is taken from the specification's text.
"""

import ast
import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from pydantic import BaseModel

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, ContextMCPServer, Event
from AgentOperatingSystem.errors import Conflict, EventFailed
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.server import make_server
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, EventRow
from AgentOperatingSystem.storage.repository import Repository
from tests.spec.systems import Counter, Execute, history_of, state_of, system

CHILD = Path(__file__).with_name("child.py")
COUNTER = AgentId("counter")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


# --- 93 ContextMCPServer for agent state -------------------------------------------------------------------------


async def test_row_93_the_snippet_runs_and_the_state_is_written_durably(execute: Execute, tmp_path: Path) -> None:
    agent = Counter()
    async with system(tmp_path, Counter):
        await execute(
            "context_server", ContextMCPServer=ContextMCPServer, agent=agent, agent_id="counter", state={"count": 7}
        )
    async with system(tmp_path, Counter) as aos:
        assert await state_of(aos, "counter") == {"count": 7}
        assert await aos.process_event(Event(type="t", agent=COUNTER)) == 8


async def test_row_93_the_snippet_runs_on_memory_too(execute: Execute) -> None:
    store, blobs = MemoryAgentStore(), MemoryBlobStore()

    def in_memory(agent_id: str) -> ContextMCPServer:
        return ContextMCPServer(agent_id, store, blobs)

    await execute(
        "context_server", ContextMCPServer=in_memory, agent=Counter(), agent_id="ceo", state=[1, "large" * 99_999]
    )
    assert await in_memory("ceo").load_state() == [1, "large" * 99_999]


async def test_row_93_state_and_memory_are_reachable_over_mcp(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        await aos.process_event(Event(type="t", agent=COUNTER, data="x"))
        async with Client(make_server(aos)) as client:
            (content,) = (await client.read_resource("aos://agents/counter/state")).contents
            told = await client.call_tool("remember", {"agent": "counter", "key": "k", "value": 1})
        assert ast.literal_eval(content.text) == {"count": 1, "seen": ["x"]}  # type: ignore[union-attr]  # it is text
        assert not told.is_error
        assert await aos.context_server("counter").recall("k") == 1


# --- 94 State loaded on initialization ---------------------------------------------------------------------------


class Profile(BaseModel):
    first: str = ""
    last: str = ""


def split_name(state: dict[str, Any]) -> dict[str, Any]:
    first, last = state["name"].split()
    return {"first": first, "last": last}


class Person(BaseAgent):
    """Schema 2 of an agent whose schema 1 had one name."""

    state_type = Profile
    schema = 2
    migrations = {1: split_name}  # noqa: RUF012  # a constant

    async def on_event(self, event: Event, context: Context) -> Any:
        return self.state.last


@pytest.mark.parametrize("state", [{"count": 1}, {"deep": [{"a": None}] * 3, "ä": 1.5}, {"large": "x" * 300_000}])
async def test_row_94_in_a_fresh_process_the_state_is_equal(tmp_path: Path, state: dict[str, Any]) -> None:
    async with system(tmp_path, Counter) as aos:
        await aos.context_server("counter").save_state(state)
    agent = Counter()
    async with system(tmp_path, agent):
        await agent.initialize()
        assert agent.state == state


async def test_row_94_older_state_is_migrated_and_newer_or_broken_state_is_never_touched(tmp_path: Path) -> None:
    async with system(tmp_path, Person) as aos:
        await aos.context_server("person").save_state({"name": "Ada Lovelace"})  # schema 1, as outside of any turn
        assert await aos.process_event({"type": "t", "agent": "person"}) == "Lovelace"
    for stored, why in ((b'{"first": 7', "does not fit Profile"), (b"[]", "does not fit Profile")):
        write_state(tmp_path, stored)
        async with system(tmp_path, Person) as aos:
            with pytest.raises(EventFailed, match=f"is quarantined: StateUnreadable: the (stored )?state {why}"):
                await aos.process_event({"type": "t", "agent": "person"})
        assert read_state(tmp_path) == stored


async def test_row_94_state_of_newer_code_gives_a_clear_error(tmp_path: Path) -> None:
    class Newer(Counter):
        name, schema = "counter", 3

    async with system(tmp_path, Newer) as aos:
        await aos.process_event(Event(type="t", agent=COUNTER))
    async with system(tmp_path, Counter) as aos:
        with pytest.raises(EventFailed, match="the state has schema 3, this code knows up to 1: deploy the newer code"):
            await aos.process_event(Event(type="t", agent=COUNTER))


def write_state(folder: Path, content: bytes) -> None:
    with closing(sqlite3.connect(folder / "aos.db", isolation_level=None)) as file:
        file.execute("UPDATE heads SET state = ? WHERE agent = 'default|person/'", (content,))


def read_state(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "aos.db")) as file:
        return bytes(file.execute("SELECT state FROM heads WHERE agent = 'default|person/'").fetchone()[0])


# --- 95 State persists across restarts ---------------------------------------------------------------------------


async def test_row_95_the_snippet_runs_and_what_it_saves_is_there_after_a_restart(
    execute: Execute, tmp_path: Path
) -> None:
    agent = Counter()
    async with system(tmp_path, agent):
        agent.state = {"count": 3}
        await execute("agent_to_storage", PurposeDrivenAgent=lambda _: agent)
    async with system(tmp_path, Counter) as aos:
        assert await state_of(aos, "counter") == {"count": 3}


def count_until_killed(folder: Path, events: int) -> int:
    """Counts in a process of its own, which is killed after so many events; answers how many it confirmed."""
    command = [sys.executable, str(CHILD), str(folder), "count", "10000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        confirmed = [process.stdout.readline() for _ in range(events)]
        process.kill()
        confirmed += process.stdout.read().split()
    return int(confirmed[-1]) + 1


@POSIX
async def test_row_95_killed_between_events_nothing_that_was_confirmed_is_lost(tmp_path: Path) -> None:
    confirmed = 0
    for events in random.Random(95).sample(range(5, 60), 3):
        confirmed = max(confirmed, await asyncio.to_thread(count_until_killed, tmp_path, events))
        async with system(tmp_path, Counter) as aos:
            state = await state_of(aos, "counter")
        assert state["count"] in (confirmed, confirmed + 1), "one more may be committed whose answer was not read"
        assert state["seen"] == list(range(state["count"])), "each event once, in order"


async def test_row_95_of_two_writers_one_is_refused_and_no_update_is_lost(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        first, second = aos.context_server("counter"), aos.context_server("counter")
        await first.initialize()
        await second.initialize()
        await first.commit(Change(head=await first.with_state(first.head, b"1", 1), etag=first.etag))
        with pytest.raises(Conflict):
            await second.commit(Change(head=await second.with_state(second.head, b"2", 1), etag=second.etag))
        await asyncio.gather(*(server.remember(f"{n}", n) for n in range(20) for server in (first, second)))
        assert await first.load_state() == 1
        assert len(await second.recall_prefix("")) == 20


# --- 96 Context for long-running conversations -------------------------------------------------------------------

WINDOW = 20


class Talker(BaseAgent):
    """Remembers every turn under a key of its own and answers with the window that a model would be given."""

    async def on_event(self, event: Event, context: Context) -> Any:
        turn = self.state["turns"] = self.state.get("turns", 0) + 1
        await context.remember(f"{turn:06}", event.data)
        return [await context.recall(f"{each:06}") for each in range(max(1, turn - WINDOW + 1), turn + 1)]


async def test_row_96_a_conversation_of_thousands_of_turns_reloads_in_bounded_time(tmp_path: Path) -> None:
    turns = 3000
    async with system(tmp_path, Talker) as aos:
        for begin in range(0, turns, 500):
            said = (
                aos.process_event({"type": "said", "agent": "talker", "conversation": "c", "id": str(n), "data": n})
                for n in range(begin, begin + 500)
            )
            await asyncio.gather(*said)
        short = await seconds_of_one_turn(aos, "talker/new")
    async with system(tmp_path, Talker) as aos:
        long = await seconds_of_one_turn(aos, "talker")
        window = await aos.process_event({"type": "said", "agent": "talker", "data": "last"})
        assert window == [*range(turns - WINDOW + 2, turns), "now", "last"]
        assert len(encode(await state_of(aos, "talker"))) < 100, "the state does not grow with the conversation"
    assert long < short + 1.0


async def seconds_of_one_turn(aos: AgentOperatingSystem, agent: str) -> float:
    begun = time.perf_counter()
    await aos.process_event({"type": "said", "agent": agent, "data": "now"})
    return time.perf_counter() - begun


# --- 97 Transaction logging --------------------------------------------------------------------------------------


def replayed(rows: list[EventRow]) -> Any:
    """The state that the journal's finished events amount to."""
    seen = [row.event.data for row in sorted(rows, key=lambda row: row.version) if row.event.type == "t"]
    return {"count": len(seen), "seen": seen} if seen else None


async def test_row_97_the_journal_only_grows_and_its_replay_is_the_state(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        before: list[EventRow] = []
        for number in range(30):
            await aos.process_event(Event(type="t", agent=COUNTER, data=number))
            rows = await history_of(aos, "counter")
            assert rows[: len(before)] == before, "what was written once stays as it is"
            before = rows
        assert replayed(before) == await state_of(aos, "counter")


@POSIX
async def test_row_97_a_torn_write_is_recovered(tmp_path: Path) -> None:
    confirmed = await asyncio.to_thread(count_until_killed, tmp_path, 40)
    wal = tmp_path / "aos.db-wal"
    for torn_bytes in (1, 700, 5000):
        assert wal.stat().st_size > torn_bytes
        os.truncate(wal, wal.stat().st_size - torn_bytes)
        with closing(sqlite3.connect(f"file:{tmp_path / 'aos.db'}?mode=ro", uri=True)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with system(tmp_path, Counter) as aos:
        state = await state_of(aos, "counter")
        assert state == replayed(await history_of(aos, "counter"))
        assert 0 < state["count"] < confirmed, "whole commits were lost with the bytes, and never a part of one"
        assert await aos.process_event(Event(type="t", agent=COUNTER)) == state["count"] + 1


# --- 106 Backend-agnostic interface ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["memory", "sqlite and folder"])
@pytest.mark.parametrize("value", [{"a": 1}, "x" * 200_000])
async def test_row_106_the_same_call_on_any_backend(
    snippet: Callable[[str], str], tmp_path: Path, backend: str, value: Any
) -> None:
    """The line `await storage.save(key, value)`; the constructors of Azure's backends come with those backends."""
    line = snippet("repository").strip().splitlines()[-1]
    assert line == "await storage.save(key, value)"
    async with system(tmp_path) as aos:
        storage = Repository(MemoryAgentStore(), MemoryBlobStore()) if backend == "memory" else aos.repository()
        code = compile(line, "repository.py.txt", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, {"storage": storage, "key": "key", "value": value})
        assert isawaitable(running)
        await running
        assert await storage.load("key") == value
    if backend != "memory":
        async with system(tmp_path) as aos:
            assert await aos.repository().load("key") == value


# --- 391 AOSConfig -----------------------------------------------------------------------------------------------


async def test_row_391_the_configuration_that_the_snippet_makes_starts_a_system(
    execute: Execute, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_SERVICEBUS_CONNECTION_STRING", "APP_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AOS_DATA_DIR", str(tmp_path))
    config: AOSConfig = (
        await execute("configuration", before="import os\nfrom AgentOperatingSystem import AOSConfig")
    )["config"]
    assert config.environment == "production"
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Counter)
        assert await aos.process_event(Event(type="t", agent=COUNTER)) == 1
