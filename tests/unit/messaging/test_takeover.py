"""The embedded bus over restarts and deaths: what was sent comes again, in order, and what killed a host is known."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Event, Message, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.embedded import ALARM_AGAIN_SECONDS, SCHEMA, TAKEOVER_SECONDS, EmbeddedBus
from AgentOperatingSystem.messaging.hosts import become_host, dead_hosts
from AgentOperatingSystem.messaging.inflight import SLOT_BYTES, InFlight, marked
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.sqlite.engine import Engine
from tests.clocks import CLOCK, advance, settle
from tests.contract.samples import message

pytestmark = pytest.mark.manual_time
A, B = AgentId("a"), AgentId("b")


class Troubled(Engine):
    """A file that cannot be reached for a while."""

    trouble = 0

    async def write(self, *arguments: Any, **named: Any) -> None:
        self._stumble()
        await super().write(*arguments, **named)

    def read(self, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
        self._stumble()
        return super().read(*arguments, **named)

    def _stumble(self) -> None:
        if self.trouble:
            self.trouble -= 1
            raise StoreUnavailable("the file cannot be reached")


class Host:
    """One life of a host on a folder."""

    def __init__(self, folder: Path) -> None:
        self.engine = Troubled(folder / "aos.db", SCHEMA)
        self.bus = EmbeddedBus(self.engine, folder, CLOCK, lambda event: (), turn_events_max=10)
        self.turns: list[Turn] = []

    async def start(self) -> "Host":
        await self.bus.open()
        self.reader = asyncio.create_task(self._read())
        await settle()
        return self

    async def _read(self) -> None:
        async for turn in self.bus.turns():
            self.turns.append(turn)

    async def stop(self) -> None:
        """Ends in good order."""
        await self.bus.close()
        await self.engine.close()
        await self.reader

    async def die(self) -> None:
        """What `kill -9` leaves: its lock falls, and nothing is cleaned up."""
        self.reader.cancel()
        for task in (self.bus._patrol, self.reader):
            assert task is not None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.bus._lock.release(remove=False)
        await self.engine.close()

    def ids(self) -> list[str]:
        """The ids of all events that were handed out and not looked at yet."""
        turns, self.turns = self.turns, []
        return [each.event.id for turn in turns for each in turn.messages if each.event is not None]

    async def hears(self, count: int) -> list[str]:
        """So many ids, as soon as they come: what is written for them is written in a thread, in real time."""
        found = self.ids()
        for _ in range(400):
            if len(found) >= count:
                break
            await asyncio.to_thread(time.sleep, 0.005)
            await settle()
            found += self.ids()
        return found


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator["Hosts"]:
    async with AsyncExitStack() as stack:
        yield Hosts(tmp_path, stack)


class Hosts:
    """Starts hosts on one folder; those that still live at the end of the test are stopped."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.stack = stack

    async def start(self, *, stays: bool = False) -> Host:
        host = await Host(self.folder).start()
        if stays:
            self.stack.push_async_callback(host.stop)
        return host


def some(*names: str, agent: AgentId = A, due: float = 0.0) -> list[Message]:
    return [message(name, agent, due=due) for name in names]


@pytest.mark.parametrize("end", ["stop", "die"])
async def test_what_was_sent_and_not_settled_comes_again_in_order(hosts: Hosts, end: str) -> None:
    first = await hosts.start()
    await first.bus.send(some("1", "2"))
    await settle()
    (turn,) = first.turns
    await first.bus.settle(turn)
    await first.bus.send(some("3", "4"))
    await first.bus.send(some("5"))
    await settle()
    assert first.ids() == ["1", "2", "3", "4"]
    await getattr(first, end)()
    second = await hosts.start(stays=True)
    assert second.ids() == ["3", "4", "5"]


async def test_what_was_only_offered_is_kept_by_a_host_that_stops(hosts: Hosts) -> None:
    first = await hosts.start()
    for each in some("1", "2"):
        await first.bus.offer(each)
    await first.stop()
    second = await hosts.start(stays=True)
    assert second.ids() == ["1", "2"]


async def test_what_was_only_offered_dies_with_the_host_and_what_was_kept_does_not(hosts: Hosts) -> None:
    first = await hosts.start()
    for each in some("1", "2"):
        await first.bus.offer(each)
    await first.bus.keep(some("2")[0])
    await first.die()
    second = await hosts.start(stays=True)
    assert second.ids() == ["2"]


@pytest.mark.parametrize("end", ["stop", "die"])
async def test_what_is_scheduled_survives(hosts: Hosts, end: str) -> None:
    first = await hosts.start()
    await first.bus.send(some("late", due=CLOCK.now() + 100))
    await advance(50)
    await getattr(first, end)()
    second = await hosts.start(stays=True)
    await advance(49)
    assert second.ids() == []
    await advance(2)
    assert second.ids() == ["late"]


async def test_what_fell_due_while_no_host_was_there_comes_at_the_start(hosts: Hosts) -> None:
    first = await hosts.start()
    await first.bus.send(some("late", due=CLOCK.now() + 100))
    await first.stop()
    await advance(1000)
    second = await hosts.start(stays=True)
    assert second.ids() == ["late"]


async def test_a_host_that_lives_takes_over_from_one_that_died(hosts: Hosts) -> None:
    living, dying = await hosts.start(stays=True), await hosts.start()
    await dying.bus.send([*some("1", "2"), *some("x", agent=B)])
    await advance(10 * TAKEOVER_SECONDS)
    assert living.ids() == [], "the other one lives"
    await dying.die()
    await advance(TAKEOVER_SECONDS)
    assert sorted(await living.hears(3)) == ["1", "2", "x"]


async def test_a_takeover_that_fails_is_tried_again(hosts: Hosts) -> None:
    living, dying, another = await hosts.start(stays=True), await hosts.start(), await hosts.start()
    await dying.bus.send(some("1"))
    await another.bus.send(some("2", agent=B))
    await dying.die()
    await another.die()
    living.engine.trouble = 1
    await advance(TAKEOVER_SECONDS)
    assert living.ids() == []
    await advance(TAKEOVER_SECONDS)
    assert sorted(await living.hears(2)) == ["1", "2"]


async def test_an_alarm_that_cannot_read_the_file_rings_again(hosts: Hosts) -> None:
    host = await hosts.start(stays=True)
    await host.bus.send(some("late", due=CLOCK.now() + 100))
    host.engine.trouble = 1
    await advance(101)
    assert host.ids() == []
    await advance(ALARM_AGAIN_SECONDS)
    assert host.ids() == ["late"]


# --- suspects ---------------------------------------------------------------------------------------------------------


async def test_what_was_in_a_handlers_hands_when_its_host_died_is_known_and_runs_alone(hosts: Hosts) -> None:
    guilty, innocent = some("guilty")[0], some("innocent", agent=B)[0]
    for deaths in (0, 1, 2):
        host = await hosts.start()
        if not deaths:
            await host.bus.send([guilty, innocent])
            await settle()
        assert {turn.agent: turn.alone for turn in host.turns} == {A: deaths > 0, B: False}
        assert host.bus.begins(innocent.id) == 0
        host.bus.ended(innocent.id)
        assert host.bus.begins(guilty.id) == deaths
        await host.die()


async def test_what_a_handler_survived_is_no_longer_suspect(hosts: Hosts) -> None:
    guilty = some("guilty")[0]
    first = await hosts.start()
    await first.bus.send([guilty])
    first.bus.begins(guilty.id)
    await first.die()
    second = await hosts.start()
    assert second.bus.begins(guilty.id) == 1
    second.bus.ended(guilty.id)
    await second.stop()
    third = await hosts.start(stays=True)
    assert third.bus.begins(guilty.id) == 0
    third.bus.ended(guilty.id)


async def test_a_host_that_stops_in_good_order_leaves_no_suspect(hosts: Hosts) -> None:
    sent = some("1")[0]
    first = await hosts.start()
    await first.bus.send([sent])
    first.bus.begins(sent.id)
    await first.stop()
    second = await hosts.start(stays=True)
    assert (second.bus.begins(sent.id), [turn.alone for turn in second.turns]) == (0, [False])
    second.bus.ended(sent.id)


async def test_a_host_that_leaves_nothing_leaves_no_file(hosts: Hosts) -> None:
    host = await hosts.start()
    await host.bus.send(some("1"))
    await settle()
    await host.bus.settle(host.turns.pop())
    await host.stop()
    assert list((hosts.folder / "hosts").iterdir()) == []


# --- publications -----------------------------------------------------------------------------------------------------


async def test_publications_are_numbered_and_paged_by_tenant(hosts: Hosts) -> None:
    host = await hosts.start(stays=True)
    assert await host.bus.last_publication() == 0
    for number in range(6):
        tenant = "north" if number % 3 == 0 else "south"
        event = Event(type="t", id=f"{number}", topic="news", tenant=tenant, time=float(number))
        await host.bus.send([publication_message(event)])
    south = await host.bus.publications("south", 0, limit=3)
    rest = await host.bus.publications("south", south[-1][0])
    assert [(seq, event.id) for seq, event in (*south, *rest)] == [(2, "1"), (3, "2"), (5, "4"), (6, "5")]
    assert await host.bus.last_publication() == 6


async def test_a_number_is_never_given_out_twice(hosts: Hosts) -> None:
    first = await hosts.start()
    for number in range(3):
        await first.bus.send([publication_message(Event(type="t", id=f"{number}", topic="news"))])
    await first.bus.prune(CLOCK.now() + 1e9)
    await first.stop()
    second = await hosts.start(stays=True)
    await second.bus.send([publication_message(Event(type="t", id="new", topic="news"))])
    assert [seq for seq, _ in await second.bus.publications("default", 0)] == [3, 4]


# --- marks and locks --------------------------------------------------------------------------------------------------


def test_marks_are_read_as_they_were_left(tmp_path: Path) -> None:
    marks = InFlight(tmp_path / "marks", slots=3)
    names = ["a" * 48, "b" * 48 + ".12", "c" * 200]
    for name in names:
        marks.mark(name)
        marks.mark(name)
    assert sorted(marked(tmp_path / "marks")) == [names[0], names[1], "c" * (SLOT_BYTES - 1)]
    marks.mark("one too many")
    marks.clear("never marked")
    marks.clear(names[0])
    marks.mark("d")
    assert sorted(marked(tmp_path / "marks")) == [names[1], "c" * (SLOT_BYTES - 1), "d"]
    marks.close()
    assert marked(tmp_path / "marks") == []


def test_a_short_mark_over_a_long_one_is_the_short_one(tmp_path: Path) -> None:
    marks = InFlight(tmp_path / "marks", slots=1)
    marks.mark("x" * 60)
    marks.clear("x" * 60)
    marks.mark("y")
    assert marked(tmp_path / "marks") == ["y"]


def test_where_nothing_was_marked_nothing_is_read(tmp_path: Path) -> None:
    assert marked(tmp_path / "nothing") == []


def test_a_host_lives_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    one, other = become_host(tmp_path), become_host(tmp_path)
    assert dead_hosts(tmp_path, one) == []
    other.release(remove=False)
    (dead,) = dead_hosts(tmp_path, one)
    assert dead.host == other.host
    assert dead_hosts(tmp_path, one) == [], "it is being taken over"
    dead.release(remove=True)
    assert [path.stem for path in tmp_path.glob("*.lock")] == [one.host]
    one.release(remove=True)
    assert list(tmp_path.iterdir()) == []
