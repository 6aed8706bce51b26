"""One writer per agent: of two hosts that run one, one commits; the other drops its copy, reads again and goes on."""

import asyncio
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.records import Change, Status
from tests.systems import System, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time
COUNTER = AgentId("counter")


class Counter(BaseAgent):
    """Counts slowly, and remembers who it was that counted last."""

    async def on_event(self, event: Event, context: Context) -> Any:
        count = self.state.get("count", 0)
        await asyncio.sleep(event.data or 0)
        self.state["count"] = count + 1
        await context.send("listener", count + 1)
        return count + 1


class Listener(BaseAgent):
    """Keeps what it hears."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append(event.data)


def turn(*events: Event, deliveries: int = 1) -> Turn:
    """A turn of the counter, as a broker hands it out."""
    messages = tuple(event_message(each) for each in events)
    return Turn(COUNTER, messages, tuple(each.id for each in messages), deliveries)


async def two_hosts() -> tuple[System, System]:
    one = await running(Counter, Listener)
    other = System(Counter, Listener, world=one.world)
    return one, other


async def test_of_two_hosts_one_commits_and_the_other_reads_again() -> None:
    one, other = await two_hosts()
    await asyncio.gather(
        one.kernel.deliver(turn(event(COUNTER, "a", data=5.0))),
        other.kernel.deliver(turn(event(COUNTER, "b", data=3.0))),
    )
    await passed(1)
    assert await one.state(COUNTER) == {"count": 2}
    assert {name: result_of(row) for name, row in (await one.rows(COUNTER)).items()} == {"b": 1, "a": 2}
    assert await one.state("listener") == {"heard": [1, 2]}


async def test_the_same_event_on_two_hosts_counts_once() -> None:
    one, other = await two_hosts()
    same = event(COUNTER, "a", data=5.0)
    await asyncio.gather(one.kernel.deliver(turn(same)), other.kernel.deliver(turn(same)))
    await passed(1)
    assert await one.state(COUNTER) == {"count": 1}
    assert await one.state("listener") == {"heard": [1]}


async def test_many_hosts_and_many_events_lose_and_double_none() -> None:
    one = await running(Counter, Listener)
    hosts = [one, *(System(Counter, Listener, world=one.world) for _ in range(4))]
    events = [event(COUNTER, f"{number}", data=0.5 + number % 3) for number in range(12)]
    turns = [(number * 7 + copy, each) for copy in range(3) for number, each in enumerate(events)]
    await asyncio.gather(*(hosts[place % 5].kernel.deliver(turn(each)) for place, each in turns))
    await passed(1)
    assert await one.state(COUNTER) == {"count": 12}
    heard = (await one.state("listener"))["heard"]
    assert sorted(heard) == list(range(1, 13))


async def test_a_warm_copy_that_is_out_of_date_is_dropped() -> None:
    one, other = await two_hosts()
    await one.kernel.deliver(turn(event(COUNTER, "a")))
    await other.kernel.deliver(turn(event(COUNTER, "b")))
    assert len(one.kernel.warm) == 1
    await one.kernel.deliver(turn(event(COUNTER, "c")))
    assert await one.state(COUNTER) == {"count": 3}


async def test_a_commit_from_outside_wins_over_the_turn_that_began_before_it() -> None:
    """What a person edits while a handler runs is seen by the handler's second try."""
    system = await running(Counter, Listener)
    working = asyncio.create_task(system.handle(COUNTER, "a", data=5.0))
    await passed(1)
    server = await system.kernel.awaken_fresh(COUNTER)
    await server.save_state({"count": 100})
    await working
    assert await system.state(COUNTER) == {"count": 101}


async def test_a_turn_that_loses_every_race_goes_back_to_the_broker() -> None:
    """Somebody commits faster than the handler, again and again; in the end the event is handled all the same."""
    system = await running(Counter, Listener)
    store = system.world.store

    async def disturb() -> None:
        for _ in range(60):
            await asyncio.sleep(0.4)
            head = await system.head(COUNTER)
            found = await store.load(COUNTER)
            moved = msgspec.structs.replace(head, version=head.version + 1)
            await store.commit(Change(head=moved, etag=found[1] if found else ""))

    disturber = asyncio.create_task(disturb())
    row = await system.handle(COUNTER, "a", data=1.0)
    await disturber
    assert row.status is Status.DONE
    assert await system.state(COUNTER) == {"count": 1}


async def test_the_broker_may_hand_a_turn_out_twice_while_the_first_holder_is_at_work() -> None:
    """The broker's lock runs out within a long turn; another host and this one get it again."""
    system = await running(Counter, Listener)
    other = System(Counter, Listener, world=system.world)
    long = turn(event(COUNTER, "a", data=100.0))
    again = turn(event(COUNTER, "a", data=100.0), deliveries=2)
    await asyncio.gather(system.kernel.deliver(long), system.kernel.deliver(again), other.kernel.deliver(again))
    await passed(1)
    assert await system.state(COUNTER) == {"count": 1}
    assert await system.state("listener") == {"heard": [1]}
