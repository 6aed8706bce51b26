"""A commit on PostgreSQL whose answer does not come: it is carried out once, and said to be so."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import ConfigurationError, Conflict, InvalidInput, StoreUnavailable
from AgentOperatingSystem.messaging.postgres.bus import PostgresBus
from AgentOperatingSystem.storage.postgres import database as databases
from AgentOperatingSystem.storage.postgres.database import Database, Interrupted
from AgentOperatingSystem.storage.postgres.store import PostgresAgentStore
from AgentOperatingSystem.storage.records import Row
from tests import postgres
from tests.contract.samples import COUNTER, change, message, row


class UnluckyDatabase(Database):
    """The real database behind a bad network: the next statements that write are cut off, after or before they are
    carried out.
    """

    cut_after = 0
    cut_before = 0

    async def once(self, sql: str, values: Sequence[Any], *, writes: bool = True) -> list[Any]:
        if writes and self.cut_before:
            self.cut_before -= 1
            raise Interrupted("cut off", doubtful=True)
        found = await super().once(sql, values, writes=writes)
        if writes and self.cut_after:
            self.cut_after -= 1
            raise Interrupted("cut off", doubtful=True)
        return found


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[UnluckyDatabase]:
    database = UnluckyDatabase(postgres.server().url, postgres.schema_of(tmp_path))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def store(database: UnluckyDatabase) -> AsyncIterator[PostgresAgentStore]:
    bus = PostgresBus(database, SystemClock(), lambda event: ())
    await bus.open()
    yield PostgresAgentStore(database, bus)
    database.cut_after = database.cut_before = 0
    await bus.close()


@pytest.mark.parametrize(("cut_before", "cut_after"), [(2, 0), (0, 1), (0, 3), (1, 1)])
async def test_a_commit_that_was_cut_off_is_done_once(
    store: PostgresAgentStore, database: UnluckyDatabase, cut_before: int, cut_after: int
) -> None:
    database.cut_before, database.cut_after = cut_before, cut_after
    sent = message("out")
    committed = await store.commit(change(inserts=(row("1", outputs=(sent,)),), rows=(Row("memory", "x", b"1"),)))
    assert committed.relayed
    found = await store.load(COUNTER)
    assert found is not None
    assert found[1] == committed.etag == "1"
    assert [each.event.id for each in (await store.events(COUNTER)).items] == ["1"]
    assert [each[0] for each in await database.read("SELECT id FROM queue")] == [sent.id]


async def test_another_writers_commit_is_not_taken_for_ones_own(
    store: PostgresAgentStore, database: UnluckyDatabase
) -> None:
    await store.commit(change(rows=(Row("memory", "x", b"theirs"),)))
    database.cut_before = 1
    with pytest.raises(Conflict):
        await store.commit(change(inserts=(row("1"),), rows=(Row("memory", "x", b"mine"),)))
    assert await store.row(COUNTER, "memory", "x") == b"theirs"


async def test_a_change_without_events_that_was_overtaken_in_doubt_is_said_to_be_in_doubt(
    store: PostgresAgentStore, database: UnluckyDatabase
) -> None:
    """It may have been carried out before the other one, and nothing in the store could tell any more."""
    await store.commit(change(rows=(Row("memory", "x", b"theirs"),)))
    database.cut_before = 1
    with pytest.raises(StoreUnavailable, match="cannot be told"):
        await store.commit(change(rows=(Row("memory", "x", b"mine"),)))


async def test_a_server_that_does_not_answer_is_given_up(
    store: PostgresAgentStore, database: UnluckyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "PAUSE_SECONDS", 0.0001)
    database.cut_before = 100
    with pytest.raises(StoreUnavailable, match="gave up after 6 tries"):
        await store.commit(change())
    assert database.cut_before == 94
    assert await store.load(COUNTER) is None


async def test_a_backend_that_is_ended_in_the_middle_costs_no_commit(
    store: PostgresAgentStore, database: UnluckyDatabase
) -> None:
    """The server itself cuts connections while commits run: each that was answered is there, none twice."""
    await store.commit(change())

    async def cut() -> None:
        for _ in range(10):
            await asyncio.sleep(0.01)
            await database.read(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aos'"
                " AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'WITH fence%'"
            )

    cutting = asyncio.create_task(cut())
    version = 1
    while not cutting.done():
        version += 1
        inserts = (row(f"e{version}", version=version),)
        await store.commit(change(version=version, etag=str(version - 1), inserts=inserts))
    await cutting
    found = await store.load(COUNTER)
    assert found is not None
    assert found[1] == str(version)
    assert len((await store.events(COUNTER, limit=10_000)).items) == version - 1


async def test_a_warm_commit_is_one_statement_and_reads_nothing(
    store: PostgresAgentStore, database: UnluckyDatabase
) -> None:
    await store.commit(change())
    before = database.statements
    asked: list[str] = []
    once = database.once

    async def counted(sql: str, values: Sequence[Any], *, writes: bool = True) -> list[Any]:
        asked.append(sql)
        return await once(sql, values, writes=writes)

    database.once = counted  # type: ignore[method-assign]  # watched, not replaced
    await store.commit(change(version=2, etag="1", inserts=(row("1", outputs=(message("2"),)),)))
    assert (len(asked), database.statements - before) == (1, 1)


async def test_a_value_that_no_text_can_hold_is_the_callers_fault(store: PostgresAgentStore) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        await store.row(COUNTER, "me\0mory", "x")
    with pytest.raises(InvalidInput, match="cannot be stored"):
        await store.row(COUNTER, "memory", "\ud800")


# --- opening ----------------------------------------------------------------------------------------------------------


async def test_hosts_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    schema = postgres.schema_of(tmp_path)
    opened = [Database(postgres.server().url, schema, connections_max=2) for _ in range(5)]
    await asyncio.gather(*(each.open() for each in opened))
    assert await opened[0].read("SELECT count(*) FROM queue") == [(0,)]
    for each in opened:
        await each.close()


async def test_tables_of_a_newer_version_are_left_alone(database: UnluckyDatabase) -> None:
    await database.write("UPDATE meta SET value = '999' WHERE name = 'version'", ())
    older = Database(postgres.server().url, database.schema)
    with pytest.raises(ConfigurationError, match="of version 999"):
        await older.open()
    await older.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [("postgresql://aos@127.0.0.1:1/postgres", StoreUnavailable), ("/no-such-database", ConfigurationError)],
)
async def test_what_cannot_be_opened_is_said_without_a_secret(url: str, expected: type[Exception]) -> None:
    address = url if "//" in url else postgres.server().url.replace("/postgres", url)
    database = Database(address)
    with pytest.raises(expected) as refused:
        await database.open()
    assert "secret" not in str(refused.value)
    await database.close()


async def test_a_schema_is_a_plain_name() -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        Database("postgresql://x/y", "a; DROP SCHEMA public")
