"""What has to be durable before what, and by when a call may be made: several steps at once, slow stores, deadlines."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Retryable, StoreUnavailable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import STEP, Change, Committed, Status
from AgentOperatingSystem.tools.function_tool import tool
from tests.clocks import CLOCK
from tests.systems import World, passed, result_of, running

pytestmark = pytest.mark.virtual_time
calls: list[str] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


class SlowStore(MemoryAgentStore):
    """Takes its time over each commit that holds a step."""

    seconds = 1.0

    async def commit(self, change: Change) -> Committed:
        if any(row.kind == STEP for row in change.rows):
            await asyncio.sleep(self.seconds)
        return await super().commit(change)


@tool(effect="idempotent")
async def email(text: str, idempotency_key: str) -> str:
    calls.append(text)
    await asyncio.Event().wait() if len(calls) == 1 else None
    return "sent"


class Writer(BaseAgent):
    model: ScriptedModel

    async def on_event(self, event: Event, context: Context) -> Any:
        answer = await context.think("What shall I write?", model=Writer.model)
        return (await context.call(email, text=answer.text)).content


async def test_an_effect_waits_for_the_answer_that_it_was_decided_on() -> None:
    """Else a host that dies in between asks again, hears something else, and does that too."""
    Writer.model = ScriptedModel(["one", "two"])
    first = await running(Writer, world=World(store=SlowStore()))
    await first.send("writer", "1")
    await passed(0.5)
    assert (len(Writer.model.requests), calls) == (1, [])
    await passed(1)
    assert calls == ["one"]
    await first.crash()
    second = await running(Writer, world=first.world)
    await second.handle("writer", "1")
    assert calls == ["one", "one"]


@tool(timeout_seconds=10)
async def refund(name: str) -> str:
    calls.append(f"{name} {CLOCK.now():.0f}")
    await asyncio.sleep(30)
    calls.append(f"{name} is over")
    return "refunded"


class Refunder(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return (await context.call(refund, name="a")).content


@pytest.mark.parametrize("seconds", [8.0, 12.0])
async def test_a_call_ends_by_the_deadline_of_its_intent_however_long_that_took_to_write(seconds: float) -> None:
    store = SlowStore()
    store.seconds = seconds
    system = await running(Refunder, world=World(store=store))
    await system.send("refunder", "1")
    await passed(seconds + 5)
    assert len(calls) == (1 if seconds < 10 else 0)
    await passed(4)
    assert [call for call in calls if "over" in call] == []
    store.seconds = 0.0
    await passed(60)
    statuses = await system.statuses("refunder")
    assert statuses["1"] == ("in_doubt" if len(calls) == 1 or seconds < 10 else "done")


@tool
async def charge(name: str) -> str:
    calls.append(name)
    await asyncio.sleep(1)
    return "x" * 400


class Parallel(BaseAgent):
    """Two branches; the second reads back more than the first before it comes to its own effect."""

    tries = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        Parallel.tries += 1
        await asyncio.gather(self._first(context), self._second(context))

    async def _first(self, context: Context) -> None:
        if Parallel.tries == 1:
            await asyncio.sleep(10)
            raise Retryable
        await context.call(charge, name="late")

    async def _second(self, context: Context) -> None:
        for name in "abc":
            await context.call(charge, name=name)


class SlowBlobs(MemoryBlobStore):
    async def get(self, name: str) -> bytes:
        await asyncio.sleep(0.5)
        return await super().get(name)


async def test_branches_that_read_back_at_their_own_pace_have_not_lost_their_way() -> None:
    system = await running(Parallel, world=World(blobs=SlowBlobs(CLOCK)), inline_bytes_max=64)
    row = await system.handle("parallel", "1")
    assert (row.status, calls) == (Status.DONE, ["a", "b", "c", "late"])


class Deaf(BaseAgent):
    """Catches whatever its calls raise."""

    async def on_event(self, event: Event, context: Context) -> Any:
        try:
            return (await context.call(charge, name="a")).content[:3]
        except Exception as error:
            return type(error).__name__


class BrokenBlobs(MemoryBlobStore):
    """Fails the first time."""

    fails = 1

    async def put(self, content: bytes) -> str:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("away")
        return await super().put(content)


async def test_a_result_that_cannot_be_kept_ends_the_try_and_is_no_error_of_the_tool() -> None:
    system = await running(Deaf, world=World(blobs=BrokenBlobs(CLOCK)), inline_bytes_max=64)
    await system.send("deaf", "1")
    await passed(200)
    row = await system.row("deaf", "1")
    assert (row.status, calls) == (Status.IN_DOUBT, ["a"])
    assert result_of(row) is None


class Alarmed(BaseAgent):
    """Sets two alarms to one time; each makes a step."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "test.happened":
            for name in "ab":
                await context.schedule(name, after_seconds=10)
        else:
            await context.step("run", ran, event.subject)


async def ran(name: str) -> None:
    calls.append(name)
    await asyncio.sleep(5)


async def test_a_host_that_dies_in_one_run_of_a_timer_loses_no_other_that_was_due_with_it() -> None:
    first = await running(Alarmed)
    await first.handle("alarmed", "1")
    await passed(12)
    assert calls == ["a"]
    await first.crash()
    await running(Alarmed, world=first.world)
    await passed(120)
    assert calls == ["a", "a", "b"]
