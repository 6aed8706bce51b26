"""The store with the embedded bus as its outbox: what a commit sends and settles is in the commit's own transaction."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import Conflict, Duplicate
from AgentOperatingSystem.events import Event, doorbell, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging import embedded
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.records import Head
from AgentOperatingSystem.storage.sqlite import store as sqlite
from AgentOperatingSystem.storage.sqlite.engine import Engine
from tests.contract.samples import COUNTER, Writer, change, message, row

OTHER = AgentId("other")


class Together:
    """Store and bus on one file."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(folder / "aos.db", (*sqlite.SCHEMA, *embedded.SCHEMA))
        self.bus = embedded.EmbeddedBus(
            self.engine, folder, SystemClock(), lambda event: [event.to(OTHER)] if event.topic == "news" else []
        )
        self.store = sqlite.SqliteAgentStore(self.engine, self.bus)

    def queued(self) -> int:
        return int(self.engine.read("SELECT count(*) FROM queue")[0][0])

    async def turn(self) -> Turn:
        async for turn in self.bus.turns():
            return turn
        raise AssertionError("closed")

    async def close(self) -> None:
        await self.bus.close()
        await self.store.close()


@pytest.fixture
async def together(tmp_path: Path) -> AsyncIterator[Together]:
    both = Together(tmp_path)
    await both.bus.open()
    yield both
    await both.close()


async def test_outputs_leave_with_the_commit_in_their_order(together: Together) -> None:
    outputs = (message("1", OTHER), message("2", OTHER))
    before = together.engine.commits
    committed = await Writer(together.store).commit(
        inserts=(row("a", outputs=outputs),), outputs=(doorbell(OTHER, why="x"),)
    )
    assert (committed.relayed, together.engine.commits - before, together.queued()) == (True, 1, 3)
    turn = await together.turn()
    assert turn.messages == (*outputs, doorbell(OTHER, why="x"))
    kept = await together.store.event(COUNTER, row("a").key)
    assert kept is not None
    assert kept.outputs == ()


async def test_receipts_are_settled_with_the_commit(together: Together) -> None:
    await together.bus.send([message("1"), message("2")])
    turn = await together.turn()
    before = together.engine.commits
    await Writer(together.store).commit(inserts=(row("1"), row("2")), receipts=turn.receipts)
    assert (together.engine.commits - before, together.queued(), together.bus.pending()) == (1, 0, 0)


async def test_a_publication_goes_to_its_subscribers_and_into_the_list(together: Together) -> None:
    news, olds = (publication_message(Event(type="t", id=topic, topic=topic)) for topic in ("news", "olds"))
    await Writer(together.store).commit(inserts=(row("a", outputs=(news, olds)),))
    turn = await together.turn()
    assert [each.event and each.event.id for each in turn.messages] == ["news"]
    assert [event.topic for _, event in await together.bus.publications("default", 0)] == ["news", "olds"]


async def test_a_refused_commit_sends_and_settles_nothing(together: Together) -> None:
    writer = Writer(together.store)
    await writer.commit(inserts=(row("done"),))
    await together.bus.send([message("1")])
    turn = await together.turn()
    outputs = (message("out", OTHER), publication_message(Event(type="t", id="p", topic="news")))
    refused = [
        change(version=2, etag="stale", inserts=(row("1", outputs=outputs),), receipts=turn.receipts),
        change(version=2, etag=writer.etag, inserts=(row("done", outputs=outputs),), receipts=turn.receipts),
        change(version=2, etag=writer.etag, updates=(row("never", outputs=outputs),), receipts=turn.receipts),
    ]
    outcomes = await asyncio.gather(*(together.store.commit(each) for each in refused), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Conflict, Duplicate, Conflict]
    assert (together.queued(), together.bus.pending()) == (1, 1)
    assert await together.bus.publications("default", 0) == []
    assert together.bus.waiting(message("out", OTHER).id) is None


async def test_everything_of_a_commit_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Together(tmp_path)
    await first.bus.open()
    await Writer(first.store).commit(
        head=Head(agent=COUNTER, state=b'{"n":1}'), inserts=(row("a", outputs=(message("1", OTHER),)),)
    )
    await first.close()
    second = Together(tmp_path)
    await second.bus.open()
    found = await second.store.load(COUNTER)
    assert found is not None
    assert found[0].state == b'{"n":1}'
    assert (await second.turn()).messages == (message("1", OTHER),)
    await second.close()


async def test_many_heads_are_made_at_once(together: Together) -> None:
    heads = [Head(agent=AgentId("many", f"{number:05}"), version=1) for number in range(2500)]
    before = together.engine.commits
    await sqlite.fill(together.engine, iter(heads))
    assert together.engine.commits - before == 3
    page = await together.store.agents("default", "many/", limit=3000)
    assert [head.agent for head in page.items] == [head.agent for head in heads]
    with pytest.raises(Conflict):
        await sqlite.fill(together.engine, heads[:1])
