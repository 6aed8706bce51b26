"""The effects desk: a call of unknown outcome is decided once, by its late result or by a person, and never before its
deadline.
"""

import asyncio
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.steps import Done
from AgentOperatingSystem.errors import IllegalTransition, InvalidInput, Retryable, TooLarge, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.evidence import keep_evidence
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.storage.records import EventRow, Status
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from AgentOperatingSystem.tools.records import ToolResult
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time
REFUNDER = AgentId("refunder")
calls: list[str] = []
keys: list[str] = []


class Refunder(BaseAgent):
    tools: tuple[FunctionTool, ...]

    async def on_event(self, event: Event, context: Context) -> Any:
        made = await asyncio.gather(*(context.call(each, order=event.data) for each in Refunder.tools))
        return [[each.content, each.is_error] for each in made]


def stuck(name: str = "refund", *, times: int = 1) -> FunctionTool:
    """A tool whose first calls never answer."""
    left = [None] * times

    @tool(name=name, timeout_seconds=10)
    async def refund(order: str, idempotency_key: str) -> str:
        calls.append(f"{name} {order}")
        keys.append(idempotency_key)
        if left:
            left.pop()
            await asyncio.Event().wait()
        return f"{name} {order} done"

    return refund


async def in_doubt(*tools: FunctionTool) -> tuple[System, EventRow]:
    calls.clear()
    keys.clear()
    Refunder.tools = tools
    system = await running(Refunder)
    row = await system.handle("refunder", "1", data="o-1")
    assert row.status is Status.IN_DOUBT
    return system, row


async def ended(system: System, agent: str = "refunder", event_id: str = "1") -> EventRow:
    for _ in range(1000):
        row = await system.row(agent, event_id)
        if row.status in (Status.DONE, Status.FAILED, Status.CANCELLED, Status.QUARANTINED):
            return row
        await passed(0.1)
    raise AssertionError(await system.statuses(agent))


async def test_it_is_listed_and_shown_with_what_it_was_about() -> None:
    system, row = await in_doubt(stuck())
    assert (await system.effects.list("default")).items == (row,)
    (step,) = (await system.effects.show(REFUNDER, row.key)).in_doubt
    assert (step.what, step.about, step.idempotency_key) == ("refund", {"order": "o-1"}, keys[0])
    assert (await system.effects.list("other")).items == ()


async def test_it_happened() -> None:
    system, row = await in_doubt(stuck())
    await system.effects.confirm(REFUNDER, row.key, {"refund": 7}, by="ada")
    assert result_of(await ended(system)) == [['{"refund":7}', False]]
    (step,) = (await system.effects.show(REFUNDER, row.key)).steps
    assert (step.decided_by, step.ended_at > step.deadline, calls) == ("ada", True, ["refund o-1"])


async def test_it_failed() -> None:
    system, row = await in_doubt(stuck())
    await system.effects.fail(REFUNDER, row.key, "the bank says no", by="ada")
    assert result_of(await ended(system)) == [["the call failed: the bank says no", True]]
    assert calls == ["refund o-1"]


async def test_it_did_not_happen() -> None:
    system, row = await in_doubt(stuck())
    await system.effects.retry(REFUNDER, row.key, by="ada")
    assert result_of(await ended(system)) == [["refund o-1 done", False]]
    assert (calls, keys[0] == keys[1]) == (["refund o-1", "refund o-1"], True)
    (step,) = (await system.effects.show(REFUNDER, row.key)).steps
    assert (step.tries, step.decided_by) == (2, "ada")


async def test_a_second_verdict_is_refused() -> None:
    system, row = await in_doubt(stuck())
    name = (await system.effects.show(REFUNDER, row.key)).in_doubt[0].name
    await system.effects.confirm(REFUNDER, row.key, "done", by="ada")
    with pytest.raises(IllegalTransition, match="decided by ada already"):
        await system.effects.retry(REFUNDER, row.key, step=name, by="bob")
    await ended(system)
    with pytest.raises(IllegalTransition, match="has ended: it is done"):
        await system.effects.fail(REFUNDER, row.key, by="bob")
    assert calls == ["refund o-1"]


async def test_of_two_at_once_one_decides() -> None:
    system, row = await in_doubt(stuck())
    said = await asyncio.gather(
        system.effects.confirm(REFUNDER, row.key, "yes", by="ada"),
        system.effects.retry(REFUNDER, row.key, by="bob"),
        return_exceptions=True,
    )
    assert [type(each) for each in said].count(IllegalTransition) == 1
    assert len(calls) + (await ended(system)).attempts <= 3


async def test_nobody_decides_before_the_deadline_and_the_skew() -> None:
    calls.clear()
    Refunder.tools = (stuck(),)
    system = await running(Refunder)
    await system.send("refunder", "1", data="o-1")
    await passed(2)
    row = await system.row("refunder", "1")
    until = (await system.effects.show(REFUNDER, row.key)).decidable_at
    assert until == row.claimed_at + 15
    for verdict in (system.effects.confirm, system.effects.retry, system.effects.fail):
        with pytest.raises(IllegalTransition, match="no verdict before 20"):
            await verdict(REFUNDER, row.key)


async def test_calls_that_are_in_doubt_together_are_decided_one_by_one() -> None:
    system, row = await in_doubt(stuck("refund"), stuck("email"))
    with pytest.raises(InvalidInput, match="2 calls are in doubt"):
        await system.effects.confirm(REFUNDER, row.key, "x")
    refund, email = (await system.effects.show(REFUNDER, row.key)).in_doubt
    await system.effects.confirm(REFUNDER, row.key, "refunded", step=refund.name)
    assert (await system.row("refunder", "1")).status is Status.IN_DOUBT
    await system.effects.fail(REFUNDER, row.key, "bounced", step=email.name)
    assert result_of(await ended(system)) == [["refunded", False], ["the call failed: bounced", True]]
    assert sorted(calls) == ["email o-1", "refund o-1"]


async def test_what_cannot_be_a_verdict() -> None:
    system, row = await in_doubt(stuck())
    with pytest.raises(UnknownEvent):
        await system.effects.confirm(REFUNDER, "0" * 32)
    with pytest.raises(InvalidInput, match="no call 'other'"):
        await system.effects.confirm(REFUNDER, row.key, step="other")
    with pytest.raises(TooLarge):
        await system.effects.confirm(REFUNDER, row.key, "x" * 40_000)
    with pytest.raises(InvalidInput):
        await system.effects.confirm(REFUNDER, row.key, by="x" * 1000)
    assert (await system.row("refunder", "1")).status is Status.IN_DOUBT


async def test_a_late_result_needs_no_verdict() -> None:
    """A host that was stopped in the middle of a call goes on when another one has put its event aside."""
    system, row = await in_doubt(stuck())
    zombie = Recorder(system.parts, REFUNDER)
    (step,) = (await system.effects.show(REFUNDER, row.key)).in_doubt
    told = msgspec.json.encode(ToolResult(content="refunded at last"))
    late = msgspec.structs.replace(await zombie.recorded(step, Done(content=told)), late=True)
    await keep_evidence(zombie, row.key, late)
    assert result_of(await ended(system)) == [["refunded at last", False]]
    with pytest.raises(IllegalTransition):
        await system.effects.confirm(REFUNDER, row.key, "other", by="ada")
    await keep_evidence(zombie, row.key, msgspec.structs.replace(late, error="again"))
    assert (await system.effects.show(REFUNDER, row.key)).steps[0].error == ""


async def test_a_late_result_comes_before_the_next_host_asks() -> None:
    calls.clear()
    gate = asyncio.Event()

    @tool(timeout_seconds=1000)
    async def refund(order: str) -> str:
        calls.append(order)
        await gate.wait()
        return "refunded at last"

    Refunder.tools = (refund,)
    system = await running(Refunder)
    await system.send("refunder", "1", data="o-1")
    await passed(1)
    await system.lifecycle.control(REFUNDER, "pause")  # the fence moves under the turn
    await system.lifecycle.control(REFUNDER, "resume")
    gate.set()
    assert result_of(await ended(system)) == [["refunded at last", False]]
    assert calls == ["o-1"]


class Fickle(BaseAgent):
    fixed = False

    async def on_event(self, event: Event, context: Context) -> Any:
        order = "same" if Fickle.fixed else f"try {context.attempt}"
        made = await context.call(Refunder.tools[0], order=order if Fickle.fixed or calls else "same")
        if not Fickle.fixed:
            raise Retryable
        return made.content


async def diverged() -> tuple[System, EventRow]:
    calls.clear()
    Fickle.fixed = False
    Refunder.tools = (stuck(times=0),)
    system = await running(Fickle)
    row = await system.handle("fickle", "1")
    assert row.status is Status.DIVERGED
    return system, row


async def test_diverged_says_what_differs_and_goes_on_after_a_fix() -> None:
    system, row = await diverged()
    assert "refund was not called" in row.reason
    assert row.reason.endswith('it wanted {"order":"try 2"}')
    assert (await system.effects.show(AgentId("fickle"), row.key)).steps[0].about == {"order": "same"}
    Fickle.fixed = True
    await system.effects.retry(AgentId("fickle"), row.key, by="ada")
    assert result_of(await ended(system, "fickle")) == "refund same done"
    assert calls == ["refund same"]


async def test_diverged_is_dropped() -> None:
    system, row = await diverged()
    dropped = await system.effects.drop(AgentId("fickle"), row.key, "a mess", by="ada")
    assert (dropped.status, dropped.reason) == (Status.CANCELLED, "dropped by ada: a mess")
    with pytest.raises(IllegalTransition):
        await system.effects.drop(AgentId("fickle"), row.key)
    with pytest.raises(IllegalTransition):
        await system.effects.retry(AgentId("fickle"), row.key)


async def test_the_list_is_paged_over_both_kinds() -> None:
    calls.clear()
    Refunder.tools = (stuck(times=3),)

    class Odd(Fickle):
        name = "odd"

    system = await running(Refunder, Odd)
    for number in "123":
        await system.handle("refunder", number, data=number)
    Fickle.fixed = False
    await system.handle("odd", "d")
    found, after = [], ""
    while True:
        page = await system.effects.list("default", after, 2)
        found += [row.event.id for row in page.items]
        after = page.after
        if not after:
            break
    assert sorted(found) == ["1", "2", "3", "d"]
    with pytest.raises(InvalidInput):
        await system.effects.list("default", "nonsense")


async def test_a_conversation_waits_for_its_verdict() -> None:
    """What the next message would be answered with must not be other than what the first one has to find again."""
    calls.clear()
    refund = stuck()
    model = ScriptedModel([ToolCall("1", "refund", {"order": "o-1"}), "It is done.", "Hello again."])
    system = await running(PerpetualAgent([refund], agent_id="clerk", model=model))
    row = await system.handle("clerk", "1", data="Refund o-1", conversation="c")
    assert row.status is Status.IN_DOUBT
    await system.send("clerk", "2", data="Hello?", conversation="c")
    await passed(10)
    assert (await system.statuses("clerk"))["2"] == "parked"
    await system.effects.confirm(AgentId("clerk"), row.key, "refunded", by="ada")
    assert result_of(await ended(system, "clerk", "1")) == "It is done."
    assert result_of(await ended(system, "clerk", "2")) == "Hello again."
    assert (calls, len(model.requests)) == (["refund o-1"], 3)


async def test_a_conversation_is_free_when_its_event_is_cancelled_or_dropped() -> None:
    refund = stuck()
    model = ScriptedModel([ToolCall("1", "refund", {"order": "o-1"}), "Hello again."])
    system = await running(PerpetualAgent([refund], agent_id="clerk", model=model))
    row = await system.handle("clerk", "1", data="Refund o-1", conversation="c")
    await system.send("clerk", "2", data="Hello?", conversation="c")
    await passed(10)
    await system.effects.drop(AgentId("clerk"), row.key)
    assert result_of(await ended(system, "clerk", "2")) == "Hello again."


async def test_a_retry_that_ends_without_the_call_that_was_begun_does_not_hide_it() -> None:
    refund, tries = stuck(times=9), []

    class Forgetful(BaseAgent):
        name = "forgetful"

        async def on_event(self, event: Event, context: Context) -> Any:
            tries.append(context.attempt)
            return await context.call(refund, order="o-1") if len(tries) == 1 else "nothing to do"

    system = await running(Forgetful)
    row = await system.handle("forgetful", "1")
    assert (row.status, row.result) == (Status.DIVERGED, None)
    assert row.reason == "this retry ended without refund, which an earlier try was about to call"
    await passed(20)
    assert (await system.effects.drop(AgentId("forgetful"), row.key, by="ann")).status is Status.CANCELLED
