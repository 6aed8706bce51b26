"""Turns that change much, on a store whose transaction holds a hundred rows as that of Azure's tables does."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.changes import EVENT_CHANGES_MAX
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import TooLarge
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.ledger import WAITS_MAX
from AgentOperatingSystem.storage.memory import MemoryAgentStore
from AgentOperatingSystem.storage.records import Change, Committed, Status
from tests.systems import World, event, result_of, running

pytestmark = pytest.mark.virtual_time
OPERATIONS_MAX = 100


class NarrowStore(MemoryAgentStore):
    """Refuses what Azure's tables would."""

    sizes: list[int]

    async def commit(self, change: Change) -> Committed:
        size = 1 + len(change.inserts) + len(change.updates) + len(change.rows)
        self.sizes = [*getattr(self, "sizes", []), size]
        if size > OPERATIONS_MAX:
            raise TooLarge(f"{size} operations")
        return await super().commit(change)


class Keeper(BaseAgent):
    """Remembers so many things, after so many thoughts."""

    async def on_event(self, event: Event, context: Context) -> Any:
        model = ScriptedModel([f"thought {number}" for number in range(event.data["thoughts"])])
        await asyncio.gather(*(context.think(f"{n}?", model=model) for n in range(event.data["thoughts"])))
        for number in range(event.data["keys"]):
            if number % 2:
                await context.schedule(f"{event.id} {number}", after_seconds=1e6)
            else:
                await context.remember(f"{event.id} {number}", number)
        return len(await context.recall_prefix(f"{event.id} "))


def kept(event_id: str, keys: int, thoughts: int = 0) -> Event:
    return event("keeper", event_id, data={"keys": keys, "thoughts": thoughts})


async def test_the_change_too_many_is_refused_where_it_is_made() -> None:
    store = NarrowStore()
    system = await running(Keeper, world=World(store=store))
    await system.handle("keeper", "all", data={"keys": EVENT_CHANGES_MAX, "thoughts": 0})
    row = await system.handle("keeper", "more", data={"keys": EVENT_CHANGES_MAX + 1, "thoughts": 0})
    assert row.status is Status.QUARANTINED
    assert "one event may change 80 memories and timers" in row.reason
    assert "send the rest on" in row.reason
    assert max(store.sizes) > EVENT_CHANGES_MAX


async def test_what_is_written_again_counts_once() -> None:
    class Rewriter(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> None:
            for number in range(3 * EVENT_CHANGES_MAX):
                await context.remember(f"key {number % EVENT_CHANGES_MAX}", number)

    system = await running(Rewriter)
    assert (await system.handle("rewriter", "1")).status is Status.DONE


async def test_large_events_of_one_turn_are_several_commits() -> None:
    store = NarrowStore()
    system = await running(Keeper, world=World(store=store))
    await system.send_together(*(kept(f"e{number}", 60) for number in range(5)))
    rows = [await system.handle("keeper", f"e{number}", data={"keys": 60, "thoughts": 0}) for number in range(5)]
    assert [result_of(row) for row in rows] == [30] * 5
    assert max(store.sizes) <= OPERATIONS_MAX
    memory = await store.rows(AgentId("keeper"), "memory", limit=1000)
    assert len(memory.items) == 150


async def test_steps_that_were_not_written_yet_are_written_before_what_leaves_no_room() -> None:
    store = NarrowStore()
    system = await running(Keeper, world=World(store=store))
    row = await system.handle("keeper", "1", data={"keys": EVENT_CHANGES_MAX, "thoughts": 44})
    assert (row.status, result_of(row)) == (Status.DONE, 40)
    assert max(store.sizes) <= OPERATIONS_MAX


async def test_more_questions_than_one_commit_holds_are_asked_as_answers_come() -> None:
    class Friend(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            return event.data

    class Asker(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            return await asyncio.gather(*(context.ask("friend", number) for number in range(event.data)))

    store = NarrowStore()
    system = await running(Asker, Friend, world=World(store=store))
    many = 2 * WAITS_MAX + 5
    assert result_of(await system.handle("asker", "1", data=many)) == list(range(many))
    assert max(store.sizes) <= OPERATIONS_MAX
    assert len(await system.rows("friend")) == many
