"""What was accepted is durable, whoever else has a hand on the same event at that moment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.errors import EventInFlight
from AgentOperatingSystem.events import event_message
from AgentOperatingSystem.ids import AgentId

GATED = AgentId("gated")


class Gated(BaseAgent):
    """Handles nothing before its gate opens."""

    gate: asyncio.Event

    async def on_event(self, event: Event, context: Context) -> str:
        await self.gate.wait()
        return "through"


@pytest.fixture
async def aos(tmp_path: Path) -> AsyncIterator[AgentOperatingSystem]:
    Gated.gate = asyncio.Event()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, drain_timeout_seconds=0)) as system:
        await system.register_agent(Gated)
        system.start()
        yield system


def event(data: object = None) -> Event:
    return Event(id="one", type="t", agent=GATED, data=data)


def kept(aos: AgentOperatingSystem) -> int:
    """How many messages have a row in the file."""
    return int(aos.engine.read("SELECT count(*) FROM queue")[0][0])


async def begin(aos: AgentOperatingSystem, wanted: Event, timeout_seconds: float) -> "asyncio.Task[object]":
    """Somebody waits for an event's result, so that the event need not be kept."""
    task: asyncio.Task[object] = asyncio.create_task(aos.mailroom.process(wanted, timeout_seconds))
    await asyncio.sleep(0.05)
    assert kept(aos) == 0
    return task


async def test_accepting_what_another_only_waits_for_makes_it_durable(aos: AgentOperatingSystem) -> None:
    waiting = await begin(aos, event(), 60)
    await aos.mailroom.accept(event())
    assert kept(aos) == 1
    Gated.gate.set()
    await waiting
    assert kept(aos) == 0


async def test_giving_up_waiting_makes_it_durable(aos: AgentOperatingSystem) -> None:
    assert await (await begin(aos, event(), 0.1)) is None
    assert kept(aos) == 1


async def test_two_who_give_up_at_once_both_find_it_durable(aos: AgentOperatingSystem) -> None:
    task = await begin(aos, event(), 60)
    waiting = aos.bus.waiting(event_message(event()).id)
    assert waiting is not None
    rows: list[int] = []

    async def keep() -> None:
        await aos.bus.keep(waiting)
        rows.append(kept(aos))

    await asyncio.gather(keep(), keep())
    assert rows == [1, 1]
    task.cancel()


async def test_a_drain_keeps_what_was_only_waited_for(aos: AgentOperatingSystem, tmp_path: Path) -> None:
    waiting = await begin(aos, event(), 60)
    await aos.close()
    assert await waiting is None
    Gated.gate.set()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as again:
        await again.register_agent(Gated)
        assert await again.process_event(event(), 10) == "through"
        assert (await again.context_server(GATED).history()).items[0].attempts == 1


async def test_two_bodies_under_one_id_at_the_same_moment(aos: AgentOperatingSystem) -> None:
    answers = await asyncio.gather(aos.mailroom.accept(event(1)), aos.mailroom.accept(event(2)), return_exceptions=True)
    assert [isinstance(answer, EventInFlight) for answer in answers] == [False, True]
    same = await asyncio.gather(aos.mailroom.accept(event(1)), aos.mailroom.accept(event(1)))
    assert [accepted.data for accepted, _ in same] == [1, 1]


async def test_an_event_for_later_is_pending_and_its_id_is_taken(aos: AgentOperatingSystem) -> None:
    later = Event(id="later", type="t", agent=GATED, data=1, due=aos.clock.now() + 3600)
    await aos.mailroom.accept(later)
    assert await aos.mailroom.find(GATED, "/", "later") == (None, True)
    with pytest.raises(EventInFlight):
        await aos.mailroom.accept(Event(id="later", type="t", agent=GATED, data=2))
