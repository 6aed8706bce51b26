"""Cancelling an event, wherever it is."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import IllegalTransition, Quarantine, Retryable, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.systems import System, running

pytestmark = pytest.mark.virtual_time
WORKER = AgentId("worker")


class Worker(BaseAgent):
    """Does what its event says."""

    begun: ClassVar[list[str]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        Worker.begun.append(event.id)
        if event.data == "steps":
            await context.step("one", str, 1)
            await asyncio.sleep(100)
            await context.step("two", str, 2)
        elif event.data == "sleeps":
            await asyncio.sleep(100)
        elif event.data == "asks":
            await context.ask("sleeper", 1)
        elif event.data == "fails":
            raise Retryable(after_seconds=1000)
        elif event.data == "aside":
            raise Quarantine("aside")
        self.state["done"] = [*self.state.get("done", []), event.id]


class Sleeper(BaseAgent):
    async def process(self, event: Event) -> None:
        await asyncio.sleep(1000)


async def cancel(system: System, event_id: str, reason: str = "") -> EventRow:
    return await CancelDesk(system.parts, system.kernel).cancel(WORKER, "/test", event_id, reason)


@pytest.mark.parametrize("what", ["steps", "sleeps", "asks", "fails", "aside"])
async def test_an_event_is_cancelled_wherever_it_is(what: str) -> None:
    Worker.begun = []
    system = await running(Worker, Sleeper)
    await system.send("worker", "1", data=what)
    await asyncio.sleep(1)
    assert (await cancel(system, "1", "no need")).status is Status.CANCELLED
    await system.handle("worker", "2")
    assert (await system.state("worker"))["done"] == ["2"]
    row = await system.row("worker", "1")
    assert (row.status, row.reason) == (Status.CANCELLED, "cancelled: no need")
    assert Worker.begun == ["1", "2"]
    head = await system.head("worker")
    assert (head.backlog, head.waiting) == (0, ())


async def test_an_event_that_waits_behind_another_is_cancelled() -> None:
    Worker.begun = []
    system = await running(Worker)
    await system.send("worker", "1", data="sleeps")
    await asyncio.sleep(1)
    await system.send("worker", "2")
    await cancel(system, "2")
    await asyncio.sleep(1000)
    assert await system.statuses("worker") == {"1": "done", "2": "cancelled"}


async def test_whoever_waits_is_told() -> None:
    system = await running(Worker)
    waiting = asyncio.create_task(system.handle("worker", "1", data="sleeps"))
    await asyncio.sleep(1)
    await cancel(system, "1")
    assert (await waiting).status is Status.CANCELLED


async def test_what_has_ended_cannot_be_cancelled_and_twice_is_once() -> None:
    system = await running(Worker)
    await system.handle("worker", "1")
    with pytest.raises(IllegalTransition, match="has ended already: it is done"):
        await cancel(system, "1")
    with pytest.raises(UnknownEvent):
        await cancel(system, "3")
    await system.send("worker", "2", data="sleeps")
    await asyncio.sleep(1)
    assert (await cancel(system, "2")).version == (await cancel(system, "2")).version


async def test_cancelling_frees_the_conversation() -> None:
    class Talker(Worker):
        name = "worker"
        converses = True

    system = await running(Talker, Sleeper)
    await system.send("worker", "1", data="asks", conversation="c")
    await asyncio.sleep(1)
    await system.send("worker", "2", conversation="c")
    await asyncio.sleep(1)
    assert (await system.statuses("worker"))["2"] == "parked"
    await cancel(system, "1")
    await asyncio.sleep(1)
    assert (await system.statuses("worker"))["2"] == "done"


async def test_a_terminated_agent_leaves_nothing_open() -> None:
    class Talker(Worker):
        name = "worker"
        converses = True

    system = await running(Talker, Sleeper)
    await system.send("worker", "1", data="asks", conversation="c")
    await asyncio.sleep(1)
    await system.send("worker", "2", conversation="c")
    waiting = asyncio.create_task(system.handle("worker", "1", data="asks", conversation="c"))
    await asyncio.sleep(1)
    await system.lifecycle.control(WORKER, "terminate")
    await asyncio.sleep(1)
    statuses = await system.statuses("worker")
    assert (statuses["1"], statuses["2"]) == ("cancelled", "cancelled")
    assert (await waiting).status is Status.CANCELLED
