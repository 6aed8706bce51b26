"""Several hosts on one database: who gets a turn, who finds out that a host is dead, and who is told of an outcome."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.events import Event, doorbell, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.postgres.bus import PostgresBus
from AgentOperatingSystem.storage.postgres.database import Database
from tests import postgres
from tests.contract.samples import message

A, B = AgentId("a"), AgentId("b")
SECONDS_MAX = 20.0


class Host:
    """A bus with a reader that keeps every turn."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self.database = database
        self.bus = PostgresBus(database, SystemClock(), lambda event: (), lease_seconds=lease_seconds)
        self.turns: asyncio.Queue[Turn] = asyncio.Queue()
        self.reader: asyncio.Task[None] | None = None

    def read(self) -> None:
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for turn in self.bus.turns():
            self.turns.put_nowait(turn)

    async def next(self) -> Turn:
        return await asyncio.wait_for(self.turns.get(), SECONDS_MAX)

    async def die(self) -> None:
        """Ends as a killed process does: nothing is said to the database."""
        doomed = [*self.bus._tasks, *self.bus._doorbell._tasks, *([self.reader] if self.reader else [])]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        self.bus._closed = True
        await self.database.close()

    async def close(self) -> None:
        await self.bus.close()
        if self.reader is not None:
            await asyncio.gather(self.reader, return_exceptions=True)
        await self.database.close()


class Hosts:
    """Makes hosts on one schema, and closes them."""

    def __init__(self, schema: str, stack: AsyncExitStack) -> None:
        self.schema, self.stack = schema, stack

    async def __call__(self, *, lease_seconds: float = 15.0, reads: bool = True) -> Host:
        database = Database(postgres.server().url, self.schema, connections_max=4)
        await database.open()
        host = Host(database, lease_seconds)
        await host.bus.open()
        self.stack.push_async_callback(host.close)
        if reads:
            host.read()
        return host


@pytest.fixture
async def new_host(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with AsyncExitStack() as stack:
        yield Hosts(postgres.schema_of(tmp_path), stack)


async def test_a_message_is_in_one_turn_of_one_host(new_host: Hosts) -> None:
    hosts = [await new_host() for _ in range(3)]
    agents = [AgentId("many", str(number)) for number in range(30)]
    for place, agent in enumerate(agents):
        await hosts[place % 3].bus.send([message("1", agent), message("2", agent)])
    seen: list[AgentId] = []
    while len(seen) < len(agents):
        for host in hosts:
            while not host.turns.empty():
                turn = host.turns.get_nowait()
                seen.append(turn.agent)
                assert [each.event.id for each in turn.messages if each.event] == ["1", "2"]
                await host.bus.settle(turn)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert sorted(seen) == sorted(agents)
    assert all(host.turns.empty() for host in hosts)


async def test_another_host_is_told_at_once(new_host: Hosts) -> None:
    sender, receiver = await new_host(reads=False), await new_host()
    await asyncio.sleep(1.2)  # until the patrols have seen each other
    before = asyncio.get_running_loop().time()
    await sender.bus.send([message("1", A)])
    assert (await receiver.next()).agent == A
    assert asyncio.get_running_loop().time() - before < 0.9, "it came with the patrol, not with the bell"


async def test_what_a_caller_waits_for_stays_on_its_host(new_host: Hosts) -> None:
    waiting, other = await new_host(reads=False), await new_host()
    await waiting.bus.offer(message("1", A))
    await waiting.bus.send([message("2", B)])
    assert (await other.next()).agent == B
    assert other.turns.empty()
    waiting.read()
    assert (await waiting.next()).agent == A


async def test_a_caller_that_stops_waiting_frees_its_event(new_host: Hosts) -> None:
    waiting, other = await new_host(reads=False), await new_host()
    await waiting.bus.offer(message("1", A))
    await waiting.bus.keep(message("1", A))
    assert (await other.next()).agent == A


async def test_a_caller_is_told_of_what_another_host_has_handled(new_host: Hosts) -> None:
    first = await new_host()
    await first.bus.send([message("1", A)])
    turn = await first.next()
    second = await new_host()
    await second.bus.offer(message("1", A))
    await first.bus.settle(turn)
    again = await second.next()
    assert (again.agent, again.receipts) == (A, turn.receipts)
    assert again.deliveries > 1, "the kernel has to look whether it was applied"
    await second.bus.settle(again)
    assert len(second.bus._callers) == 0


# --- death ------------------------------------------------------------------------------------------------------------


async def test_a_dead_hosts_turn_is_handed_out_again_and_runs_alone(new_host: Hosts) -> None:
    doomed, heir = await new_host(lease_seconds=0.3), await new_host(lease_seconds=0.3, reads=False)
    await doomed.bus.send([message("1", A), message("2", A)])
    assert len((await doomed.next()).messages) == 2
    await doomed.die()
    heir.read()
    turn = await heir.next()
    assert (len(turn.messages), turn.deliveries, turn.alone) == (1, 2, True)
    assert heir.bus.begins(turn.receipts[0]) == 1
    await heir.bus.settle(turn)
    second = await heir.next()
    assert (second.receipts, second.alone) == ((message("2", A).id,), True)
    await heir.bus.settle(second)


async def test_the_crashes_of_one_event_add_up(new_host: Hosts) -> None:
    sender = await new_host(reads=False)
    await sender.bus.send([message("1", A)])
    for crashes in range(3):
        host = await new_host(lease_seconds=0.2)
        turn = await host.next()
        assert host.bus.begins(turn.receipts[0]) == crashes
        await host.die()


async def test_what_kills_its_host_behind_a_bell_is_counted_too(new_host: Hosts) -> None:
    """An event that was parked has no message; the bell that woke its agent stands for it."""
    sender = await new_host(reads=False)
    await sender.bus.send([doorbell(A, why="backlog")])
    host = await new_host(lease_seconds=0.2)
    await host.next()
    await host.die()
    heir = await new_host()
    turn = await heir.next()
    assert turn.alone
    parked = message("parked", A).id
    assert (heir.bus.begins(parked), heir.bus.begins(parked)) == (1, 0)


async def test_a_dead_hosts_callers_wait_for_nobody_else(new_host: Hosts) -> None:
    doomed, heir = await new_host(lease_seconds=0.3, reads=False), await new_host(lease_seconds=0.3)
    await doomed.bus.offer(message("1", A))
    await doomed.die()
    assert (await heir.next()).agent == A


async def test_a_host_that_lives_keeps_its_turns(new_host: Hosts) -> None:
    first, second = await new_host(lease_seconds=0.3), await new_host(lease_seconds=0.3)
    await first.bus.send([message("1", A)])
    await asyncio.sleep(1.2)
    assert sorted((first.turns.qsize(), second.turns.qsize())) == [0, 1]


async def test_a_host_that_closes_leaves_nothing_to_wait_for(new_host: Hosts) -> None:
    first, second = await new_host(), await new_host(reads=False)
    await first.bus.send([message("1", A)])
    await first.next()
    await first.bus.close()
    second.read()
    turn = await second.next()
    assert (turn.agent, turn.alone) == (A, False)


async def test_a_lease_whose_claim_was_never_answered_is_given_back(new_host: Hosts) -> None:
    host = await new_host()
    await host.database.write("INSERT INTO turns VALUES ($1, $2, '{}')", (A.partition, host.bus.host))
    await host.bus.send([message("1", A)])
    assert (await host.next()).agent == A


async def test_a_connection_that_is_cut_is_made_again(new_host: Hosts) -> None:
    sender, receiver = await new_host(reads=False), await new_host()
    sql = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    await sender.database.read(sql)
    await sender.bus.send([message("1", A)])
    assert (await receiver.next()).agent == A


# --- publications -----------------------------------------------------------------------------------------------------


async def test_followers_miss_no_publication_of_a_slower_transaction(new_host: Hosts) -> None:
    """A transaction that began first and commits last: nobody sees what came after it before it."""
    host = await new_host(reads=False)
    import asyncpg

    slow = await asyncpg.connect(postgres.server().url, server_settings={"search_path": host.database.schema})
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(
        """INSERT INTO publications SELECT (pg_current_xact_id()::text::bigint << 20) + 1, 'slow', 'default', 'news', 0,
           record FROM (SELECT convert_to('{"type":"t","id":"slow"}', 'UTF8') AS record) r"""
    )
    await host.bus.send([publication_message(Event(type="t", id="fast", topic="news"))])
    assert await host.bus.publications("default", 0) == []
    assert await host.bus.last_publication() == 0
    await transaction.commit()
    await slow.close()
    found = await host.bus.publications("default", 0)
    assert [event.id for _, event in found] == ["slow", "fast"]
    assert await host.bus.last_publication() == found[-1][0]
    assert await host.bus.publications("default", found[0][0]) == found[1:]


async def test_numbers_go_on_in_a_server_that_counts_from_below(new_host: Hosts) -> None:
    first = await new_host(reads=False)
    await first.bus.send([publication_message(Event(type="t", id="1", topic="news"))])
    await first.database.write("UPDATE publications SET seq = seq + (1::bigint << 50)", ())
    second = await new_host(reads=False)
    await second.bus.send([publication_message(Event(type="t", id="2", topic="news"))])
    found = await second.bus.publications("default", 0)
    assert [event.id for _, event in found] == ["1", "2"]


async def test_old_publications_go_and_the_newest_stays(new_host: Hosts) -> None:
    host = await new_host(reads=False)
    for number in range(3):
        await host.bus.send([publication_message(Event(type="t", id=str(number), topic="news", time=float(number)))])
    await host.bus.prune(before=10.0)
    assert [event.id for _, event in await host.bus.publications("default", 0)] == ["2"]
