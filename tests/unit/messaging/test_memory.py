"""The bus in memory: order, due times, redelivery, lost locks, duplicate detection, publications, backpressure."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.errors import Overloaded
from AgentOperatingSystem.events import Event, Message, doorbell, event_message, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import Turn

pytestmark = pytest.mark.virtual_time
A, B = AgentId("a"), AgentId("b")
CLOCK = LoopClock()


def nobody(event: Event) -> Sequence[Event]:
    return ()


def to(agent: AgentId, name: str, due: float = 0.0) -> Message:
    return event_message(Event(type="t", id=name, agent=agent, due=due))


def names(turn: Turn) -> list[str]:
    return [message.event.id for message in turn.messages if message.event is not None]


async def within(turns: AsyncIterator[Turn], seconds: float) -> Turn:
    return await asyncio.wait_for(anext(turns), seconds)


async def none_within(bus: MemoryBus, seconds: float) -> bool:
    """Whether nothing at all is handed out; the iterator is a new one, because a cancelled one has ended."""
    with pytest.raises(TimeoutError):
        await within(bus.turns(), seconds)
    return True


async def test_a_turn_has_its_agents_messages_in_order() -> None:
    bus = MemoryBus(CLOCK, nobody)
    await bus.send([to(A, "1"), to(B, "x"), to(A, "2")])
    turns = bus.turns()
    assert [(turn.agent, names(turn)) for turn in (await anext(turns), await anext(turns))] == [
        (A, ["1", "2"]),
        (B, ["x"]),
    ]


async def test_an_agent_has_one_turn_at_a_time() -> None:
    bus = MemoryBus(CLOCK, nobody, turn_events_max=1)
    await bus.send([to(A, "1"), to(A, "2")])
    first = await within(bus.turns(), 1)
    assert await none_within(bus, 3600)
    await bus.settle(first)
    assert names(await within(bus.turns(), 1)) == ["2"]


async def test_a_message_is_held_back_until_it_is_due() -> None:
    bus = MemoryBus(CLOCK, nobody)
    due = CLOCK.now() + 60
    await bus.send([to(A, "later", due), to(A, "now")])
    turns = bus.turns()
    first = await anext(turns)
    await bus.settle(first)
    assert names(first) == ["now"]
    assert bus.waiting(to(A, "later").id) is not None
    assert names(await anext(turns)) == ["later"]
    assert due <= CLOCK.now() < due + 0.001


async def test_what_is_released_comes_first_again_and_counts_its_deliveries() -> None:
    bus = MemoryBus(CLOCK, nobody, turn_events_max=1)
    await bus.send([to(A, "1"), to(A, "2")])
    turns = bus.turns()
    for delivery in (1, 2, 3):
        turn = await anext(turns)
        assert (names(turn), turn.deliveries) == (["1"], delivery)
        await bus.release(turn, after_seconds=5.0)
    assert CLOCK.now() == LoopClock().now()
    await bus.settle(await anext(turns))
    last = await anext(turns)
    assert (names(last), last.deliveries) == (["2"], 1)


async def test_a_lost_lock_delivers_again_and_its_first_holder_settles_nothing() -> None:
    bus = MemoryBus(CLOCK, nobody)
    await bus.send([to(A, "1")])
    turns = bus.turns()
    first = await anext(turns)
    bus.expire(first)
    second = await anext(turns)
    assert second.deliveries == 2
    await bus.settle(first)
    await bus.release(first)
    assert bus.holds(second)
    await bus.settle(second)
    assert bus.pending() == 0


async def test_a_release_after_the_settling_brings_nothing_back() -> None:
    bus = MemoryBus(CLOCK, nobody)
    await bus.send([to(A, "1")])
    turn = await within(bus.turns(), 1)
    await bus.settle(turn)
    await bus.release(turn)
    assert await none_within(bus, 3600)


async def test_a_turn_that_is_held_too_long_expires() -> None:
    bus = MemoryBus(CLOCK, nobody, lock_seconds=30)
    await bus.send([to(A, "1")])
    began = CLOCK.now()
    turns = bus.turns()
    assert [(await anext(turns)).deliveries for _ in range(2)] == [1, 2]
    assert CLOCK.now() == began + 30


async def test_duplicates_are_swallowed_within_the_window_and_not_beyond() -> None:
    bus = MemoryBus(CLOCK, nobody, duplicate_window_seconds=600)
    await bus.send([to(A, "1"), to(A, "1")])
    await bus.settle(await within(bus.turns(), 1))
    await asyncio.sleep(599)
    await bus.send([to(A, "1")])
    assert bus.pending() == 0
    await asyncio.sleep(1)
    await bus.send([to(A, "1")])
    assert bus.pending() == 1


async def test_a_publication_is_copied_to_each_subscriber() -> None:
    bus = MemoryBus(CLOCK, lambda event: [event.to(A), event.to(B)])
    await bus.send([publication_message(Event(type="t", id="1", topic="news"))])
    turns = bus.turns()
    assert [(await anext(turns)).agent for _ in range(2)] == [A, B]


async def test_doorbells_for_one_reason_are_one() -> None:
    bus = MemoryBus(CLOCK, nobody)
    due = CLOCK.now() + 5
    await bus.send([doorbell(A, due, "tick"), doorbell(A, due, "tick"), doorbell(A, due, "retry")])
    assert bus.pending() == 2


async def test_too_much_waiting_is_refused() -> None:
    bus = MemoryBus(CLOCK, nobody, pending_max=1)
    await bus.offer(to(A, "1"))
    with pytest.raises(Overloaded, match="1 messages wait already"):
        await bus.send([to(A, "2")])


async def test_nothing_is_handed_out_after_close() -> None:
    bus = MemoryBus(CLOCK, nobody)
    await bus.send([to(A, "1"), to(A, "later", CLOCK.now() + 60)])
    await bus.close()
    assert [turn async for turn in bus.turns()] == []
    await asyncio.sleep(120)
    assert bus.pending() == 1
