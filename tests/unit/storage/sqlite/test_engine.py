"""One file, one writer thread, many transactions per fsync: whoever loses, loses alone."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, StoreError, StoreUnavailable
from AgentOperatingSystem.storage.sqlite.engine import BATCH_MAX, Engine, Statement

SCHEMA = ("CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, n INTEGER NOT NULL)",)
ADD = Statement("INSERT INTO things VALUES (?, ?)", 1, must_change=True)
MOVE = Statement("UPDATE things SET n = n + 1 WHERE name = ? AND n = ?", 0, must_change=True)
DROP = Statement("DELETE FROM things WHERE name = ?", 2)
WRONG = Statement("INSERT INTO nowhere VALUES (?)", 1)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path / "file.db", SCHEMA)
    yield engine
    await engine.close()


def things(engine: Engine) -> dict[str, int]:
    return dict(engine.read("SELECT name, n FROM things ORDER BY name"))


def lost(connection: sqlite3.Connection) -> Exception:
    return KeyError("lost")


async def test_what_is_written_is_there_when_write_returns(engine: Engine) -> None:
    await engine.write([(ADD, ("a", 1))])
    assert things(engine) == {"a": 1}
    assert await engine.scan("SELECT n FROM things WHERE name = ?", ("a",)) == [(1,)]
    other = sqlite3.connect(engine.path)
    assert other.execute("SELECT n FROM things").fetchall() == [(1,)]
    other.close()


async def test_writes_that_come_together_share_a_commit(engine: Engine) -> None:
    await asyncio.gather(*(engine.write([(ADD, (f"{number}", number))]) for number in range(50)))
    assert (engine.commits, len(things(engine))) == (1, 50)


async def test_a_batch_is_bounded(engine: Engine) -> None:
    await asyncio.gather(*(engine.write([(ADD, (f"{number}", number))]) for number in range(3 * BATCH_MAX)))
    assert (engine.commits, len(things(engine))) == (3, 3 * BATCH_MAX)


async def test_of_a_write_that_is_refused_nothing_stays(engine: Engine) -> None:
    await engine.write([(ADD, ("a", 1))])
    with pytest.raises(KeyError):
        await engine.write([(ADD, ("b", 1)), (MOVE, ("a", 1)), (ADD, ("a", 9)), (DROP, ("a",))], lost)
    assert things(engine) == {"a": 1}


async def test_who_loses_loses_alone(engine: Engine) -> None:
    await engine.write([(ADD, ("taken", 1))])
    writes = [engine.write([(ADD, (f"{number}", 1))]) for number in range(20)]
    writes.insert(7, engine.write([(ADD, ("x", 1)), (ADD, ("taken", 1))], lost))
    writes.insert(9, engine.write([(MOVE, ("taken", 5))], lost))
    writes.insert(11, engine.write([(ADD, ("y", 1)), (ADD, ("\ud800", 1))], lost))
    writes.insert(13, engine.write([(ADD, ("z", 2**80))], lost))
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    kinds = [type(each).__name__ for each in outcomes if each is not None]
    assert kinds == ["KeyError", "KeyError", "InvalidInput", "InvalidInput"]
    assert set(things(engine)) == {"taken", *(f"{number}" for number in range(20))}


async def test_the_reason_is_asked_in_the_state_that_the_write_met(engine: Engine) -> None:
    """Of two writes in one batch, the second is told what the first one changed, and not its own attempt."""

    def why(connection: sqlite3.Connection) -> Exception:
        return KeyError(connection.execute("SELECT name, n FROM things").fetchall())

    await engine.write([(ADD, ("a", 1))])
    first, second = await asyncio.gather(
        engine.write([(MOVE, ("a", 1))]),
        engine.write([(ADD, ("b", 1)), (MOVE, ("a", 1))], why),
        return_exceptions=True,
    )
    assert first is None
    assert isinstance(second, KeyError)
    assert second.args == ([("a", 2)],)


async def test_a_write_without_a_reason_that_is_refused_says_that_something_is_wrong(engine: Engine) -> None:
    with pytest.raises(StoreError, match="nothing can refuse"):
        await engine.write([(MOVE, ("a", 1))])


async def test_where_the_file_itself_fails_everybody_is_told(engine: Engine) -> None:
    outcomes = await asyncio.gather(
        engine.write([(ADD, ("a", 1))]), engine.write([(WRONG, ("x",))]), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [StoreUnavailable, StoreUnavailable]
    await engine.write([(ADD, ("a", 1))])
    assert things(engine) == {"a": 1}


async def test_a_caller_that_goes_away_disturbs_nobody(engine: Engine) -> None:
    going = asyncio.ensure_future(engine.write([(ADD, ("gone", 1))]))
    staying = asyncio.ensure_future(engine.write([(ADD, ("stays", 1))]))
    await asyncio.sleep(0)
    going.cancel()
    await staying
    await asyncio.gather(going, return_exceptions=True)
    assert things(engine) == {"gone": 1, "stays": 1}


async def test_close_writes_what_was_submitted(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "file.db", SCHEMA)
    writes = [asyncio.ensure_future(engine.write([(ADD, (f"{number}", 1))])) for number in range(200)]
    await asyncio.sleep(0)
    await engine.close()
    await asyncio.gather(*writes)
    again = Engine(tmp_path / "file.db", SCHEMA)
    assert len(things(again)) == 200
    await again.close()
    await again.close()


async def test_a_closed_file_refuses_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    engine = Engine(tmp_path / "file.db", SCHEMA)
    await engine.scan("SELECT 1")
    await engine.close()
    assert threading.active_count() <= before + 1  # the loop's own pool may keep one
    with pytest.raises(StoreUnavailable, match="is closed"):
        await engine.write([(ADD, ("a", 1))])


async def test_reads_of_a_broken_question_are_translated(engine: Engine) -> None:
    with pytest.raises(StoreUnavailable):
        engine.read("SELECT * FROM nowhere")
    with pytest.raises(StoreUnavailable):
        await engine.scan("SELECT * FROM nowhere")


async def test_what_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file.db").write_bytes(b"this is a letter, and no database" * 100)
    with pytest.raises(ConfigurationError, match=r"file\.db"):
        Engine(tmp_path / "file.db", SCHEMA)
    with pytest.raises(ConfigurationError):
        Engine(tmp_path / "no folder" / "file.db", SCHEMA)


async def test_every_commit_is_synced_before_it_is_answered(engine: Engine) -> None:
    assert engine.read("PRAGMA journal_mode") == [("wal",)]
    assert engine.read("PRAGMA synchronous") == [(2,)]


async def test_two_engines_may_share_a_file(tmp_path: Path) -> None:
    one, other = Engine(tmp_path / "file.db", SCHEMA), Engine(tmp_path / "file.db", SCHEMA)
    await one.write([(ADD, ("counter", 0))])

    async def count(engine: Engine) -> int:
        won = 0
        while won < 20:
            (number,) = engine.read("SELECT n FROM things WHERE name = 'counter'")[0]
            try:
                await engine.write([(MOVE, ("counter", number))], lost)
                won += 1
            except KeyError:
                continue
        return won

    await asyncio.gather(count(one), count(other))
    assert things(one) == {"counter": 40}
    assert InvalidInput.status == 422
    for engine in (one, other):
        await engine.close()
