"""What every `MessageBus` promises: FIFO per agent, one turn of an agent at a time, nothing early, nothing lost.

Time stands still until a test moves it, so that "not yet" can be seen and not only hoped for.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from AgentOperatingSystem.errors import Overloaded
from AgentOperatingSystem.events import Event, Message, doorbell, event_message, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.ports import MessageBus, Turn
from tests.clocks import CLOCK, advance, settle
from tests.contract.conftest import BusMaker
from tests.contract.samples import event, message

pytestmark = pytest.mark.manual_time
A, B, C = AgentId("a"), AgentId("b"), AgentId("c", "key|1/2:3")


class Reader:
    """Takes every turn as soon as the bus gives it out, and keeps it for the test to look at."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.turns: list[Turn] = []
        self.task = asyncio.create_task(self._read(), name="reader")

    async def _read(self) -> None:
        async for turn in self.bus.turns():
            self.turns.append(turn)

    async def next(self) -> Turn:
        """The oldest turn that was not looked at."""
        await settle()
        assert self.turns, "no turn was given out"
        return self.turns.pop(0)

    async def only(self, agent: AgentId = A) -> Turn:
        """The one turn that was given out."""
        turn = await self.next()
        assert self.turns == []
        assert turn.agent == agent
        return turn

    async def nothing(self) -> None:
        """No turn was given out."""
        await settle()
        assert self.turns == []


def ids(turn: Turn) -> list[str]:
    return [each.event.id if each.event is not None else "bell" for each in turn.messages]


def in_seconds(seconds: float, event_id: str, agent: AgentId = A) -> Message:
    return message(event_id, agent, due=CLOCK.now() + seconds)


@pytest.fixture
async def bus(make_bus: BusMaker) -> MessageBus:
    return await make_bus()


@pytest.fixture
async def reader(bus: MessageBus) -> AsyncIterator[Reader]:
    reader = Reader(bus)
    yield reader
    await bus.close()
    await asyncio.wait_for(reader.task, 10)


# --- order ------------------------------------------------------------------------------------------------------------


async def test_a_message_comes_as_it_was_sent(bus: MessageBus, reader: Reader) -> None:
    happened = event("1", C, data={"text": "ü 🙂", "list": [1, None]}, priority=4, subject="s", hops=3, credits=9)
    sent = Message(id="0" * 47 + "a", agent=C, event=happened, fingerprint="f" * 32)
    await bus.send([sent])
    turn = await reader.only(C)
    assert turn == Turn(C, (sent,), (sent.id,), 1)


async def test_an_agents_messages_come_in_the_order_of_their_sending(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A), message("x", B), message("2", A)])
    await bus.send([message("3", A)])
    seen: list[str] = []
    while len(seen) < 3:
        turn = await reader.next()
        seen += ids(turn) if turn.agent == A else []
        await bus.settle(turn)
    assert seen == ["1", "2", "3"]


async def test_an_agent_has_one_turn_at_a_time(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    first = await reader.only()
    await bus.send([message("2", A), message("3", A)])
    await reader.nothing()
    await bus.settle(first)
    assert ids(await reader.only()) == ["2", "3"]


async def test_agents_do_not_wait_for_each_other(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    await reader.only(A)
    await bus.send([message("1", B)])
    await reader.only(B)


async def test_a_turn_holds_so_many_messages_and_no_more(make_bus: BusMaker) -> None:
    bus = await make_bus(turn_events_max=3)
    reader = Reader(bus)
    await bus.send([message(f"{number}", A) for number in range(7)])
    seen = []
    for _ in range(3):
        turn = await reader.only()
        seen.append(ids(turn))
        await bus.settle(turn)
    assert [len(each) for each in seen] == [3, 3, 1]
    assert [each for turn in seen for each in turn] == [f"{number}" for number in range(7)]
    await reader.nothing()


# --- settle and release -----------------------------------------------------------------------------------------------


async def test_what_is_settled_does_not_come_again(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    await bus.settle(await reader.only())
    await advance(3600)
    await reader.nothing()


async def test_settling_twice_ends_no_other_turn(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    first = await reader.only()
    await bus.settle(first)
    await bus.send([message("2", A)])
    second = await reader.only()
    await bus.settle(first)
    await bus.send([message("3", A)])
    await reader.nothing()
    await bus.settle(second)
    assert ids(await reader.only()) == ["3"]


async def test_what_is_released_comes_again_before_what_came_later(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A), message("2", A)])
    turn = await reader.only()
    await bus.send([message("3", A)])
    await bus.release(turn)
    await advance(0)
    again = await reader.only()
    assert ids(again) == ["1", "2", "3"]
    await bus.settle(again)
    await reader.nothing()


async def test_what_is_released_for_later_comes_later(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    await bus.release(await reader.only(), after_seconds=5.0)
    await bus.send([message("2", A)])
    await advance(4.9)
    await reader.nothing()
    await advance(0.2)
    assert ids(await reader.only()) == ["1", "2"]


async def test_deliveries_are_counted_until_it_is_settled(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    for count in (1, 2, 3):
        turn = await reader.only()
        assert turn.deliveries == count
        await bus.release(turn) if count < 3 else await bus.settle(turn)
        await advance(0)
    await bus.send([message("2", A)])
    assert (await reader.only()).deliveries == 1


# --- due times --------------------------------------------------------------------------------------------------------


async def test_a_message_is_held_back_until_it_is_due(bus: MessageBus, reader: Reader) -> None:
    await bus.send([in_seconds(3600, "hour"), in_seconds(60, "minute"), message("now", A)])
    turn = await reader.only()
    assert ids(turn) == ["now"]
    await bus.settle(turn)
    for seconds, name in ((60, "minute"), (3539, "hour")):
        await advance(seconds - 1)
        await reader.nothing()
        await advance(2)
        turn = await reader.only()
        assert ids(turn) == [name]
        await bus.settle(turn)


async def test_many_fall_due_in_the_order_of_their_times(bus: MessageBus, reader: Reader) -> None:
    order = [7, 2, 9, 4, 1, 8, 3, 6, 5]
    await bus.send([in_seconds(number, f"{number}", AgentId("many", f"{number}")) for number in order])
    seen = []
    for _ in range(10):
        await advance(1.0)
        seen += [ids(turn)[0] for turn in reader.turns]
        reader.turns.clear()
    assert seen == [f"{number}" for number in range(1, 10)]


async def test_what_is_due_goes_behind_what_waits_already(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A), in_seconds(10, "late")])
    turn = await reader.only()
    await bus.send([message("2", A)])
    await advance(11)
    await bus.send([message("3", A)])
    await bus.settle(turn)
    assert ids(await reader.only()) == ["2", "late", "3"]


async def test_a_message_in_the_past_comes_at_once(bus: MessageBus, reader: Reader) -> None:
    await bus.send([in_seconds(-10, "late")])
    assert ids(await reader.only()) == ["late"]


async def test_a_message_far_in_the_future_waits(bus: MessageBus, reader: Reader) -> None:
    await bus.send([in_seconds(400 * 86_400, "next year")])
    for _ in range(400):
        await advance(86_400 - 1)
        await reader.nothing()
    await advance(401)
    assert ids(await reader.only()) == ["next year"]


# --- the same message twice -------------------------------------------------------------------------------------------


async def test_a_message_that_waits_already_is_swallowed(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    turn = await reader.only()
    await bus.send([message("1", A), message("2", A), message("2", A)])
    await bus.send([message("2", A)])
    await bus.settle(turn)
    last = await reader.only()
    assert ids(last) == ["2"]
    await bus.settle(last)
    await advance(60)
    await reader.nothing()


async def test_a_message_that_is_scheduled_already_is_swallowed(bus: MessageBus, reader: Reader) -> None:
    bell = doorbell(A, CLOCK.now() + 10, "why")
    await bus.send([bell, bell])
    await bus.send([bell])
    await advance(11)
    turn = await reader.only()
    assert ids(turn) == ["bell"]
    await bus.settle(turn)
    await advance(60)
    await reader.nothing()


async def test_the_same_event_for_two_agents_is_two_messages(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A), message("1", B)])
    assert {(await reader.next()).agent, (await reader.next()).agent} == {A, B}


async def test_a_higher_generation_is_another_message(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    first = await reader.only()
    await bus.send([event_message(event("1", A, generation=1))])
    await bus.settle(first)
    again = await reader.only()
    assert again.messages[0].event == event("1", A, generation=1)


# --- doorbells and publications ---------------------------------------------------------------------------------------


async def test_a_doorbell_wakes_its_agent(bus: MessageBus, reader: Reader) -> None:
    await bus.send([doorbell(A, why="backlog")])
    turn = await reader.only()
    assert turn.messages[0].event is None


async def test_a_publication_comes_to_each_of_its_subscribers_once(make_bus: BusMaker) -> None:
    def copies(publication: Event) -> Sequence[Event]:
        return [publication.to(A), publication.to(B)] if publication.topic == "news" else []

    bus = await make_bus(copies)
    reader = Reader(bus)
    news = Event(type="t", id="1", topic="news", data="hello")
    await bus.send([publication_message(news), publication_message(Event(type="t", id="2", topic="nobody"))])
    turns = [await reader.next(), await reader.next()]
    assert sorted(turn.agent for turn in turns) == [A, B]
    assert all(turn.messages[0].event == news.to(turn.agent) for turn in turns)
    for turn in turns:
        await bus.settle(turn)
    await reader.nothing()


# --- offers -----------------------------------------------------------------------------------------------------------


async def test_an_offer_starts_a_turn(bus: MessageBus, reader: Reader) -> None:
    await bus.offer(message("1", A))
    turn = await reader.only()
    assert ids(turn) == ["1"]
    await bus.settle(turn)
    await advance(60)
    await reader.nothing()


async def test_an_offer_goes_behind_what_was_sent(bus: MessageBus, reader: Reader) -> None:
    await bus.send([message("1", A)])
    turn = await reader.only()
    await bus.send([message("2", A)])
    await bus.offer(message("3", A))
    await bus.send([message("4", A)])
    await bus.settle(turn)
    assert ids(await reader.only()) == ["2", "3", "4"]


async def test_an_offer_is_not_early(bus: MessageBus, reader: Reader) -> None:
    await bus.offer(in_seconds(10, "later"))
    await advance(9)
    await reader.nothing()
    await advance(2)
    assert ids(await reader.only()) == ["later"]


async def test_a_kept_offer_comes_once(bus: MessageBus, reader: Reader) -> None:
    sent = message("1", A)
    await bus.offer(sent)
    await bus.keep(sent)
    turn = await reader.only()
    await bus.keep(sent)
    await bus.settle(turn)
    await bus.keep(sent)
    await advance(60)
    await reader.nothing()


async def test_what_was_offered_and_then_sent_comes_once(bus: MessageBus, reader: Reader) -> None:
    await bus.offer(message("1", A))
    await bus.send([message("1", A)])
    turn = await reader.only()
    await bus.settle(turn)
    await advance(60)
    await reader.nothing()
    assert await bus.find(message("1", A).id) is None


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_what_waits_can_be_found_until_it_is_settled(bus: MessageBus, reader: Reader) -> None:
    sent = message("1", A, data="mine")
    assert bus.waiting(sent.id) is None
    assert await bus.find(sent.id) is None
    await bus.send([sent])
    assert await bus.find(sent.id) == sent
    turn = await reader.only()
    assert bus.waiting(sent.id) in (sent, None)  # some brokers cannot tell
    assert await bus.find(sent.id) in (sent, None)
    await bus.settle(turn)
    assert bus.waiting(sent.id) is None
    assert await bus.find(sent.id) is None


async def test_what_is_scheduled_can_be_found(bus: MessageBus, reader: Reader) -> None:
    sent = in_seconds(60, "1")
    await bus.send([sent])
    assert await bus.find(sent.id) == sent


# --- limits and the end -----------------------------------------------------------------------------------------------


async def test_too_much_waiting_is_refused_and_taken_again_when_there_is_room(make_bus: BusMaker) -> None:
    bus = await make_bus(pending_max=3)
    reader = Reader(bus)
    await bus.send([message(f"{number}", A) for number in range(3)])
    for attempt in (bus.send([message("4", B)]), bus.offer(message("4", B))):
        with pytest.raises(Overloaded) as refused:
            await attempt
        assert refused.value.retry_after_seconds
    turn = await reader.only()
    await bus.settle(turn)
    await bus.send([message("4", B)])
    assert ids(await reader.only(B)) == ["4"]


async def test_a_doorbell_is_taken_however_much_waits(make_bus: BusMaker) -> None:
    """Control rings bells: pausing or stopping must work above all when there is too much."""
    bus = await make_bus(pending_max=1)
    reader = Reader(bus)
    await bus.send([message("1", A)])
    await bus.send([doorbell(B, why="stop")])
    assert {(await reader.next()).agent, (await reader.next()).agent} == {A, B}


async def test_turns_end_with_the_bus(bus: MessageBus) -> None:
    reader = Reader(bus)
    await settle()
    await bus.close()
    await bus.close()
    await asyncio.wait_for(reader.task, 10)
    assert reader.turns == []


async def test_a_closed_bus_gives_out_no_further_turn(make_bus: BusMaker) -> None:
    bus = await make_bus(turn_events_max=1)
    reader = Reader(bus)
    await bus.send([message("1", A), message("2", A)])
    turn = await reader.only()
    await bus.close()
    await settle()
    assert (ids(turn), reader.turns, reader.task.done()) == (["1"], [], True)
