"""Control of an agent in the middle of its event's steps: no further effect is begun, and it goes on from there."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.function_tool import tool
from tests.systems import passed, running

pytestmark = pytest.mark.virtual_time


@tool
async def work(name: str) -> str:
    """Does what must not be done twice."""
    Worker.made.append(name)
    return name


class Worker(BaseAgent):
    """Calls a tool twice, with some time between the calls."""

    made: ClassVar[list[str]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        await context.call(work, name="1")
        await asyncio.sleep(10)
        await context.call(work, name="2")


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    Worker.made = []


@pytest.mark.parametrize(("halt", "go"), [("pause", "resume"), ("stop", "start")])
async def test_an_agent_is_halted_between_two_steps_and_goes_on_from_there(halt: str, go: str) -> None:
    system = await running(Worker)
    await system.send("worker", "1")
    await passed(1)
    await system.lifecycle.control(AgentId("worker"), halt)
    await passed(1000)
    assert (Worker.made, (await system.row("worker", "1")).status) == (["1"], "parked")
    await system.lifecycle.control(AgentId("worker"), go)
    await passed(100)
    row = await system.row("worker", "1")
    assert (Worker.made, row.status, row.attempts) == (["1", "2"], "done", 1)
