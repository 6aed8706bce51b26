"""The floor does the work durably: what it answered lies in the file."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from AgentOperatingSystem.proof.bench.floor import TRANSACTIONS_PER_COMMIT_MAX, Floor
from AgentOperatingSystem.proof.bench.runner import run
from AgentOperatingSystem.proof.bench.scenarios import Scenario

MANY = Scenario(name="many", agents=5, in_flight=20)
SINGLE = Scenario(name="single", agents=1, in_flight=1)


async def test_what_was_answered_lies_in_the_file(tmp_path: Path) -> None:
    await run(Floor(), MANY, 100, tmp_path)
    with closing(sqlite3.connect(tmp_path / "floor.db")) as file:
        states = [json.loads(text) for (text,) in file.execute("SELECT state FROM agents ORDER BY number")]
        rows = file.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM outputs)").fetchone()
    assert [state["count"] for state in states] == [24] * 5
    assert states[4]["texts"][-1].startswith("event 119.")
    assert rows == (120, 120)


async def test_a_lone_event_costs_one_commit_and_a_crowd_shares_one(tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    (tmp_path / "many").mkdir()
    assert (await run(Floor(), SINGLE, 30, tmp_path / "single")).fsyncs == 30
    assert (await run(Floor(), MANY, 100, tmp_path / "many")).fsyncs == 5


async def test_a_commit_is_never_larger_than_its_limit(tmp_path: Path) -> None:
    crowd = Scenario(name="crowd", agents=1, in_flight=2 * TRANSACTIONS_PER_COMMIT_MAX)
    assert (await run(Floor(), crowd, 256, tmp_path)).fsyncs == 4


async def test_an_agent_that_slept_is_read_from_the_file(tmp_path: Path) -> None:
    floor = Floor()
    await floor.start(tmp_path, 1_000)
    try:
        assert await floor.process(999, "first", "hello") == {"count": 1}
        assert (await floor.state(999))["texts"][-1] == "hello"
    finally:
        await floor.stop()


async def test_the_file_is_synced_at_each_commit(tmp_path: Path) -> None:
    floor = Floor()
    await floor.start(tmp_path, 1)
    try:
        assert floor._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert floor._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        await floor.stop()
