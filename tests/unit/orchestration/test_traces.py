"""A trace: the tree of an event's steps and of what it caused."""

from decimal import Decimal
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.records import Cost, ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.orchestration import traces
from AgentOperatingSystem.orchestration.traces import Tracer
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
FIRST = AgentId("first")


class First(BaseAgent):
    model: ScriptedModel

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "ask":
            return await context.ask("second/asked", "quick")
        await context.think("well?", model=First.model)
        await context.step("plain", str, 1)
        for number in range(event.data or 1):
            await context.send(f"second/{number}", number)
        await context.publish("first.done")
        return None


class Second(BaseAgent):
    subscriptions = ("first.*",)

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == 0:
            await context.send("first", "nobody follows this")
        return 1


@pytest.fixture
async def system() -> System:
    usage = Usage(input_tokens=10, output_tokens=5)
    answers: list[Answer] = [ModelResponse(text="so", usage=usage, cost=Cost(Decimal("0.5"))), "free", "free"]
    First.model = ScriptedModel(answers)
    return await running(First, Second)


def tracer(system: System) -> Tracer:
    return Tracer(system.parts, system.subscriptions.copies)


async def test_it_shows_steps_sends_and_what_they_caused(system: System) -> None:
    await system.handle("first", "1", data=2)
    await passed(1)
    trace = await tracer(system).trace(FIRST, "/test", "1")
    assert [(step.kind, step.what) for step in trace.root.steps] == [
        ("model", "scripted/script"),
        ("function", "plain"),
    ]
    sends = trace.root.sends
    assert [(send.agent, send.topic) for send in sends] == [("second/0", ""), ("second/1", ""), ("", "first.done")]
    assert [[str(each.row.event.agent) for each in send.found] for send in sends] == [
        ["second/0"],
        ["second/1"],
        ["second"],
    ]
    assert [send.agent for send in sends[0].found[0].sends] == ["first"]
    assert trace.is_whole
    spent = trace.spending
    assert (spent.model_calls, spent.tokens, spent.costs, spent.unpriced_calls) == (2, 15, {"USD": "0.5"}, 1)


async def test_it_follows_a_question_and_its_answer(system: System) -> None:
    await system.handle("first", "1", data="ask")
    await passed(1)
    trace = await tracer(system).trace(FIRST, "/test", "1")
    (asked,) = trace.root.sends
    assert (asked.agent, [each.row.status for each in asked.found]) == ("second/asked", ["done"])
    (reply,) = asked.found[0].sends
    assert (reply.agent, reply.found[0].row.event.type) == ("first", "aos.reply")


async def test_it_is_bounded_and_says_so(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "EVENTS_MAX", 3)
    await system.handle("first", "1", data=5)
    await passed(1)
    trace = await tracer(system).trace(FIRST, "/test", "1")
    assert sum(len(send.found) for send in trace.root.sends) == 2
    assert not trace.is_whole


async def test_an_unknown_event(system: System) -> None:
    with pytest.raises(UnknownEvent):
        await tracer(system).trace(FIRST, "/test", "none")
