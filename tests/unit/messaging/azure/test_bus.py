"""The queue's own ways: several hosts, dead ones, what comes back, what is too large and what nobody can read."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event, Message, doorbell, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.azure import bus as buses
from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus
from AgentOperatingSystem.messaging.azure.letters import Letter
from AgentOperatingSystem.messaging.azure.opening import opened
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.ports import Turn
from tests.azure_service import queue_post
from tests.contract.samples import message
from tests.emulator import emulator

A = AgentId("a")
CLOCK = SystemClock()


class Host:
    """A host that takes turns and keeps them."""

    def __init__(self, bus: StorageQueueBus) -> None:
        self.bus = bus
        self.turns: asyncio.Queue[Turn] = asyncio.Queue()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for turn in self.bus.turns():
            self.turns.put_nowait(turn)

    async def next(self, seconds: float = 10.0) -> Turn:
        return await asyncio.wait_for(self.turns.get(), seconds)

    async def dies(self) -> None:
        """As by kill -9: nothing is given back, nothing is renewed."""
        for task in (*self.bus._tasks, self.task):
            task.cancel()
        await asyncio.gather(*self.bus._tasks, self.task, return_exceptions=True)
        self.bus._closed = True
        await self.bus._post.close()


Opener = Callable[..., Awaitable[StorageQueueBus]]


@pytest.fixture
async def opener(tmp_path: Path) -> AsyncIterator[Opener]:
    made: list[StorageQueueBus] = []

    async def make(copies: Any = lambda event: (), **limits: Any) -> StorageQueueBus:
        options = {"visibility_seconds": 1.0, "poll_seconds_min": 0.02, "poll_seconds_max": 0.05} | limits
        made.append(StorageQueueBus(await queue_post(tmp_path, CLOCK), CLOCK, copies, **options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@asynccontextmanager
async def hosting(bus: StorageQueueBus) -> AsyncIterator[Host]:
    host = Host(bus)
    await asyncio.sleep(0)
    yield host
    await bus.close()
    await host.task


async def test_what_is_sent_here_is_a_put_and_a_delete(opener: Opener) -> None:
    bus = await opener(poll_seconds_min=5.0, poll_seconds_max=5.0)
    async with hosting(bus) as host:
        before = bus.commits
        await bus.send([message("1")])
        await bus.settle(await host.next())
        assert bus.commits - before <= 3  # the first look may fall in between
        assert await bus.about() == 0


async def test_what_a_sender_leaves_is_taken_by_a_host(opener: Opener) -> None:
    sender, bus = await opener(), await opener()
    await sender.send([message(f"{n}") for n in range(5)])
    assert (sender.pending(), await sender.about()) == (0, 5)
    async with hosting(bus) as host:
        seen: list[str] = []
        while len(seen) < 5:
            turn = await host.next()
            seen += [each.event.id for each in turn.messages if each.event]
            assert turn.deliveries == 1
            await bus.settle(turn)
        assert seen == [f"{n}" for n in range(5)]
        assert await bus.about() == 0


async def test_a_letter_in_hand_stays_hidden_for_longer_than_its_time(opener: Opener) -> None:
    first, second = await opener(), await opener()
    async with hosting(first) as host, hosting(second) as other:
        await first.send([message("1")])
        turn = await host.next()
        await asyncio.sleep(2.2)
        assert other.turns.empty()
        await first.settle(turn)
        assert await first.about() == 0


async def test_the_letters_of_a_dead_host_come_again_and_tell_how_often(opener: Opener) -> None:
    await (await opener()).send([message("1")])
    for crashes in range(3):
        bus = await opener()
        host = Host(bus)
        turn = await host.next()
        if crashes == 0:
            assert (turn.alone, turn.deliveries) == (False, 1)
        else:  # alone, and marked for the next host
            assert (turn.alone, turn.deliveries, len(turn.messages)) == (True, crashes + 1, 1)
            assert bus.begins(turn.receipts[0]) == crashes - 1
        await host.dies()


async def test_what_was_only_beside_it_is_not_blamed(opener: Opener) -> None:
    await (await opener()).send([message("1"), message("2")])
    await died(await opener())
    guilty = await died(await opener())
    bus = await opener()
    async with hosting(bus) as host:
        crashes = {}
        for _ in range(2):
            turn = await host.next()
            assert (turn.alone, len(turn.messages)) == (True, 1)
            crashes[turn.receipts[0]] = bus.begins(turn.receipts[0])
            await bus.settle(turn)
        assert sorted(crashes.values()) == [0, 1]
        assert crashes[guilty.receipts[0]] == 1
        assert await bus.about() == 0


async def died(bus: StorageQueueBus) -> Turn:
    """The turn that a host died with."""
    host = Host(bus)
    turn = await host.next()
    await host.dies()
    return turn


async def test_what_is_given_back_in_good_order_counts_against_nobody(opener: Opener) -> None:
    await (await opener()).send([message("1")])
    for _ in range(3):
        bus = await opener()
        async with hosting(bus) as host:
            turn = await host.next()
            assert (turn.alone, turn.deliveries) == (False, 1)


async def test_a_bell_that_kills_counts_for_what_it_wakes(opener: Opener) -> None:
    await (await opener()).send([doorbell(A, why="backlog")])
    for _ in range(2):
        host = Host(await opener())
        await host.next()
        await host.dies()
    bus = await opener()
    async with hosting(bus) as host:
        await host.next()
        assert bus.begins(message("parked", A).id) == 1
        assert bus.begins(message("other", AgentId("b")).id) == 0


async def test_a_large_body_goes_by_claim_check(opener: Opener) -> None:
    sender, bus = await opener(), await opener()
    large = message("1", data="🙂" * 500_000)
    await sender.send([large])
    async with hosting(bus) as host:
        turn = await host.next()
        assert turn.messages == (large,)
        await bus.prune(CLOCK.now())
        assert [name async for name, _ in bus._post._claims.names()]  # for a month at least
        await bus._post.prune(CLOCK.now() + 1)
        assert not [name async for name, _ in bus._post._claims.names()]
        await bus.settle(turn)


@pytest.mark.parametrize("size", [48 * 1024 - 300, 48 * 1024, 64 * 1024])
async def test_bodies_at_the_queues_limit_arrive_whole(opener: Opener, size: int) -> None:
    sender, bus = await opener(), await opener()
    sent = message("1", data="x" * size)
    await sender.send([sent])
    async with hosting(bus) as host:
        turn = await host.next()
        assert turn.messages == (sent,)
        await bus.settle(turn)


async def test_what_nobody_can_read_is_put_aside(opener: Opener) -> None:
    bus = await opener()
    await bus._post._queue.send_message(base64.b64encode(b"hello").decode())
    async with hosting(bus) as host:
        turn = await host.next()
        assert turn.agent.name == "aos.unrouted"
        assert turn.messages[0].aside
        await bus.settle(turn)


async def test_a_bell_of_next_month_is_held_back_week_by_week(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks are seconds here: the queue lets go of it, whoever finds it holds it back again."""
    monkeypatch.setattr(buses, "VISIBILITY_SECONDS_MAX", 1)
    monkeypatch.setattr(buses, "GRACE_SECONDS", 0.2)
    sender, bus = await opener(), await opener()
    due = CLOCK.now() + 3.5
    await sender.send([doorbell(A, due, "later")])
    async with hosting(bus) as host:
        turn = await host.next()
        assert due <= CLOCK.now() < due + 1.5
        await bus.settle(turn)
        assert await bus.about() == 0


async def test_a_second_copy_goes_with_the_first(opener: Opener) -> None:
    bus = await opener()
    await bus._post.put(Letter(message=message("1")), 0)
    await bus._post.put(Letter(message=message("1")), 0)
    async with hosting(bus) as host:
        turn = await host.next()
        await asyncio.sleep(0.2)
        await bus.settle(turn)
        assert await bus.about() == 0
        assert host.turns.empty()


async def test_publications_are_copied_and_can_be_read_back(opener: Opener) -> None:
    def copies(event: Event) -> list[Event]:
        return [event.to(A)]

    bus = await opener(copies)
    with bus.watchers.watch(PUBLICATIONS) as news:
        async with hosting(bus) as host:
            sent: Message = publication_message(Event(type="t", id="1", topic="news", data=1))
            await bus.send([sent])
            turn = await host.next()
            assert turn.agent == A
            assert news.is_set()
            (number, event), *none = await bus.publications("default", 0)
            assert (event, none, await bus.last_publication()) == (sent.event, [], number)
            assert await bus.publications("default", number) == []
            await bus.settle(turn)


async def test_it_is_opened_by_configuration(tmp_path: Path) -> None:
    config = AOSConfig(config_dir=tmp_path, storage_connection_string=emulator().connection_string)
    for _ in range(2):
        bus = await opened(config, CLOCK, lambda event: ())
        assert await bus.about() >= 0
        await bus.close()
