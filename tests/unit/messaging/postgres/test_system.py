"""Whole systems on one PostgreSQL database: what an event costs there, and what hosts see of one another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.postgres.database import Database
from tests import postgres


class Counter(BaseAgent):
    """Counts, and tells a sink and whoever listens."""

    name = "counter"

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state["n"] = context.state.get("n", 0) + 1
        if event.data == "tell":
            await context.send("sink", event.id)
            await context.publish("counter.changed", event.id)
        return context.state["n"]


class Sink(BaseAgent):
    """Keeps what it was told."""

    name = "sink"
    subscriptions = ("counter.*",)

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state.setdefault("seen", []).append(event.topic or "sent")


class Systems:
    """Makes hosts on one schema, each with a data folder of its own."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self.stack, self.count = folder, stack, 0

    async def __call__(self, **settings: Any) -> AgentOperatingSystem:
        self.count += 1
        where = {"database_url": postgres.server().url, "database_schema": postgres.schema_of(self.folder)}
        aos = AgentOperatingSystem(AOSConfig(data_dir=self.folder / f"host{self.count}", **where, **settings))
        for agent in (Counter, Sink):
            await aos.register_agent(agent)
        return await self.stack.enter_async_context(aos)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Systems]:
    async with AsyncExitStack() as stack:
        yield Systems(tmp_path, stack)


async def eventually(aos: AgentOperatingSystem, agent: str, expected: Any) -> None:
    """The state of an agent comes to be so."""
    found = None
    for _ in range(400):
        found = await aos.context_server(agent).load_state()
        if found == expected:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{agent} has {found}")


async def test_an_event_costs_three_transactions_and_many_share_them(system: Systems) -> None:
    aos = await system()
    for _ in range(3):
        await aos.process_event({"type": "t", "agent": "counter"})
    await asyncio.sleep(0.05)
    before = aos.bus.commits
    for _ in range(10):
        await aos.process_event({"type": "t", "agent": "counter"})
    assert 30 <= aos.bus.commits - before <= 33  # kept, claimed, committed; and a patrol that came by
    before = aos.bus.commits
    events = [{"type": "t", "agent": f"counter/{number % 4}"} for number in range(100)]
    await asyncio.gather(*(aos.process_event(event) for event in events))
    assert aos.bus.commits - before < 250


async def test_hosts_with_nothing_but_the_database_in_common_share_everything(system: Systems) -> None:
    first, second = await system(inline_bytes_max=0), await system(inline_bytes_max=0)
    answers = [await host.process_event({"type": "t", "agent": "counter"}) for host in (first, second) * 5]
    assert answers == list(range(1, 11))
    assert [name async for name, _ in first.parts.blobs.names()] == [n async for n, _ in second.parts.blobs.names()]
    assert await second.context_server("counter").load_state() == {"n": 10}


async def test_many_callers_at_two_hosts_of_one_agent_are_all_answered(system: Systems) -> None:
    hosts = [await system(), await system()]
    events = [{"type": "t", "agent": "counter", "id": f"e{number}"} for number in range(60)]
    answers = await asyncio.gather(*(hosts[place % 2].process_event(each) for place, each in enumerate(events)))
    assert sorted(answers) == list(range(1, 61))


async def test_one_event_at_both_hosts_is_applied_once(system: Systems) -> None:
    hosts = [await system(), await system()]
    for number in range(5):
        same = {"type": "t", "agent": "counter", "id": f"e{number}"}
        assert await asyncio.gather(*(host.process_event(same) for host in hosts)) == [number + 1] * 2


async def test_what_is_sent_and_published_leaves_with_the_commit(system: Systems) -> None:
    aos = await system()
    await aos.process_event({"type": "t", "agent": "counter", "data": "tell"})
    await eventually(aos, "sink", {"seen": ["sent", "counter.changed"]})
    assert [event.topic for _, event in await aos.bus.publications("default", 0)] == ["counter.changed"]


async def test_what_was_accepted_is_handled_by_whoever_comes(system: Systems) -> None:
    first = await system()
    await first.drain()
    await first.mailroom.accept(Event(type="t", agent=first.address("counter")))
    await first.close()
    second = await system()
    second.start()
    await eventually(second, "counter", {"n": 1})


async def test_a_password_that_is_not_escaped_is_explained_and_not_shown(tmp_path: Path) -> None:
    url = "postgresql://desk:hun[ter2@127.0.0.1:5432/aos"
    with pytest.raises(ConfigurationError) as refused:
        await Database(url).open()
    assert "hun" not in str(refused.value)
