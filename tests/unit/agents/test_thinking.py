"""Agents that think pay once: every model call and tool call of AutoGen's agents and teams is a step."""

from typing import Any

import pytest

from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.steps import StepKind
from AgentOperatingSystem.agents.team import AgentTeam
from AgentOperatingSystem.errors import Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.tools.function_tool import tool
from tests.systems import System, event, result_of, running

pytestmark = pytest.mark.virtual_time(grace_seconds=0.01)
made: list[str] = []


@tool
async def refund(order: str) -> str:
    """Gives the money back."""
    made.append(order)
    return f"refunded {order}"


class Unlucky:
    """Fails after it has thought, as often as it is told to."""

    fails = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        result = await super().on_event(event, context)  # type: ignore[misc]  # a mix-in
        if Unlucky.fails:
            Unlucky.fails -= 1
            raise Retryable
        return result


class Clerk(Unlucky, PerpetualAgent):
    pass


class Office(Unlucky, AgentTeam):
    pass


async def steps_of(system: System, agent: str, event_id: str) -> list[tuple[StepKind, str]]:
    row = await system.row(agent, event_id)
    found = await Recorder(system.parts, row.event.agent or event(agent).agent).read(row.key)  # type: ignore[arg-type]
    return [(step.kind, step.what) for step in sorted(found.values(), key=lambda step: step.number)]


async def test_a_mind_pays_once_for_its_model_and_its_tools() -> None:
    made.clear()
    Unlucky.fails = 2
    model = ScriptedModel([ToolCall("1", "refund", {"order": "o-1"}), "It is done.", "unpaid"])
    system = await running(Clerk([refund], agent_id="clerk", model=model))
    row = await system.handle("clerk", "1", data="Refund o-1")
    assert result_of(row) == "It is done."
    assert (made, len(model.requests), row.attempts) == (["o-1"], 2, 3)
    kinds = [kind for kind, _ in await steps_of(system, "clerk", "1")]
    assert kinds == [StepKind.MODEL, StepKind.TOOL, StepKind.MODEL]


async def test_a_warm_team_makes_steps_at_every_event() -> None:
    Unlucky.fails = 0
    model = ScriptedModel(lambda request: "hm")
    members = [PerpetualAgent(name=name, model=model) for name in ("reader", "writer")]
    system = await running(Office(members, turns_max=2, agent_id="office"))
    for number in ("1", "2", "3"):
        await system.handle("office", number, data="Go on")
    for number in ("1", "2", "3"):
        assert len(await steps_of(system, "office", number)) == 2
    assert len(model.requests) == 6


async def test_a_team_that_fails_after_its_run_pays_once() -> None:
    Unlucky.fails = 2
    model = ScriptedModel(["one", "two", "unpaid"])
    members = [PerpetualAgent(name=name, model=model) for name in ("reader", "writer")]
    system = await running(Office(members, turns_max=2, agent_id="office"))
    row = await system.handle("office", "1", data="Go on")
    assert result_of(row)["text"] == "two"
    assert (len(model.requests), row.attempts) == (2, 3)
