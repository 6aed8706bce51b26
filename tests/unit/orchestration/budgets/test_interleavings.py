"""Hosts that crash at any instant, agents that share a limit, calls that are slow or never end: whatever the seed, no
more calls are made than the limit allows, and those who wait go on when it is raised.
"""

import asyncio
import random
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.budgets.desk import BudgetDesk
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile, Budgets
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.journal import Journal
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, World, passed, running

pytestmark = pytest.mark.virtual_time
LIMIT, AGENTS = 12, 5


class Counting(ScriptedModel):
    """Takes its time, and counts."""

    def __init__(self, seed: int) -> None:
        super().__init__([])
        self.dice = random.Random(seed)
        self.calls = 0

    async def complete(self, request: ModelRequest) -> ModelResponse:
        self.calls += 1
        await asyncio.sleep(self.dice.choice([0, 0.1, 5, 1e9]))
        return ModelResponse(text="yes")


def budgets() -> Budgets:
    return Budgets(BudgetFile(types={"worker": Budget(total=Limits(model_calls=LIMIT))}))


async def host(world: World, model: Counting) -> System:
    class Worker(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            for number in range(4):
                await context.think(f"{number}", model=model)

    rules = Rules(crash_limit=10_000, backoff_base_seconds=2.0)
    return await running(Worker, world=world, budgets=budgets(), rules=rules)


async def spent_by_crashing(seed: int) -> tuple[Counting, System]:
    """A fleet whose only host is killed until nothing moves any more."""
    dice, model, world = random.Random(seed), Counting(seed), World()
    system = await host(world, model)
    for number in range(AGENTS):
        await system.send(f"worker/{number}", "1")
    for _ in range(40):
        await passed(dice.choice([0, 0.05, 1, 31, 100]))
        await system.crash()
        system = await host(world, model)
    await passed(200)
    return model, system


@pytest.mark.parametrize("seed", range(12))
async def test_no_more_calls_are_made_than_the_limit_allows(seed: int) -> None:
    model, system = await spent_by_crashing(seed)
    assert model.calls <= LIMIT
    rows = [await system.row(f"worker/{number}", "1") for number in range(AGENTS)]
    assert {row.status for row in rows} <= {Status.WAITING, Status.DONE, Status.PARKED}
    if not any(row.status is Status.PARKED for row in rows):  # nobody is within a call that never ends
        before, waiting = model.calls, sum(row.status is Status.WAITING for row in rows)
        desk = BudgetDesk(system.parts, system.kernel, system.mailroom)
        assert await desk.raise_limit("type", "worker", "total", Amounts(model_calls=5), "default") == waiting
        await passed(100)
        assert before < model.calls <= LIMIT + 5


async def test_without_a_reservation_that_is_durable_before_the_call_it_would_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forgets(self: Journal) -> None:
        self._meter.rows()

    monkeypatch.setattr(Journal, "_reserve", forgets)
    assert any([(await spent_by_crashing(seed))[0].calls > LIMIT for seed in range(6)])
