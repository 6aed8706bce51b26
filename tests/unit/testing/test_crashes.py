"""The helper that kills an agent at each of its steps tells right from wrong."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.testing import MemorySystem, crash_at_every_step, crash_at_step, run_virtual
from AgentOperatingSystem.tools.function_tool import tool


def careful() -> tuple[list[type[BaseAgent]], list[str]]:
    effects: list[str] = []

    @tool
    async def refund(order: str) -> str:
        """Gives the money back."""
        effects.append(order)
        return "refunded"

    class Cashier(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            await context.step("look up", str, event.data)
            done = await context.call(refund, order=event.data)
            self.state["refunds"] = self.state.get("refunds", 0) + 1
            return done.content

    return [Cashier], effects


def careless() -> tuple[list[type[BaseAgent]], list[str]]:
    effects: list[str] = []

    class Cashier(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> None:
            effects.append(event.data)  # an effect that the system knows nothing of
            await context.step("look up", str, event.data)

    return [Cashier], effects


def test_an_agent_that_calls_tools_as_it_should_passes_at_every_instant() -> None:
    runs = crash_at_every_step(careful, {"agent": "cashier", "data": "o-1"})
    assert len(runs) > 6
    assert runs[0].effects == ("o-1",)
    assert {run.status for run in runs} == {"done", "in_doubt"}
    assert {run.effects for run in runs if run.status == "in_doubt"} <= {(), ("o-1",)}


def test_an_effect_beside_the_steps_is_found_out() -> None:
    with pytest.raises(AssertionError, match="killed before commit 1: happened more than once: 'o-1'"):
        crash_at_every_step(careless, {"agent": "cashier", "data": "o-1"})


def test_one_instant_alone() -> None:
    run = crash_at_step(careful, {"agent": "cashier", "data": "o-1"}, 2)
    assert (run.fell, run.status, run.effects) == (True, "done", ("o-1",))
    assert not crash_at_step(careful, {"agent": "cashier", "data": "o-1"}, 999).fell


def test_a_system_in_memory_and_virtual_time() -> None:
    class Reminder(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            if event.type == "aos.schedule":
                self.state["reminded"] = True
                return None
            await context.remember("said", event.data)
            await context.schedule("later", after_seconds=30 * 86_400)
            return "noted"

    async def month() -> Any:
        async with MemorySystem(Reminder) as system:
            assert await system.tell("reminder/a", "milk") == "noted"
            assert await system.recall("reminder/a", "said") == "milk"
            await system.send("reminder/b")
            await asyncio.sleep(31 * 86_400)
            assert len(await system.history("reminder/a")) == 2
            return await system.state("reminder/a")

    assert run_virtual(month()) == {"reminded": True}
