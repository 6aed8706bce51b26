"""Agents that think and have to wait: the same conversation goes on after the answer, on any host, and pays once."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.team import AgentTeam
from AgentOperatingSystem.agents.waiting import Approval
from AgentOperatingSystem.errors import Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Late, Pieces, ScriptedModel
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import EventRow, Status
from AgentOperatingSystem.tools.function_tool import tool
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time(grace_seconds=0.01)
made: list[str] = []


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    made.clear()


@tool(approval="always", approval_seconds=60 * 86_400)
async def refund(order: str) -> str:
    """Gives the money back."""
    made.append(f"refund {order}")
    return f"refunded {order}"


@tool
async def email(to: str) -> str:
    """Writes to somebody."""
    made.append(f"email {to}")
    await asyncio.sleep(1)
    return f"wrote to {to}"


def clerk(request: ModelRequest) -> Any:
    """Calls the tool once for each task that asks for it, and says in the end how many messages it has read."""
    said = request.messages[-1]
    if said.role == "user" and "refund" in said.text:
        return ToolCall(f"c{len(request.messages)}", "refund", {"order": said.text.split()[-1]})
    return f"read {len(request.messages)}"


async def there(system: System, agent: str, event_id: str, *statuses: Status) -> EventRow:
    for _ in range(200):
        row = (await system.rows(agent)).get(event_id)
        if row is not None and row.status in statuses:
            return row
        await passed(1)
    raise AssertionError((await system.statuses(agent), [row.reason for row in (await system.rows(agent)).values()]))


async def approve(system: System, agent: str, row: EventRow, **said: Any) -> None:
    (asked,) = [each for each in await system.answers.show(AgentId(agent), row.key) if each.is_open]
    assert isinstance(asked.wants, Approval)
    await system.answers.approve(AgentId(agent), row.key, hash=asked.wants.hash, by="ada", **said)


async def test_a_mind_goes_on_with_its_conversation_after_45_days_on_another_host() -> None:
    first_model, second_model = ScriptedModel(clerk), ScriptedModel(clerk)
    first = await running(PerpetualAgent([refund], agent_id="clerk", model=first_model))
    await first.handle("clerk", "0", data="hello", conversation="c1")
    await first.send("clerk", "1", data="refund o-1", conversation="c1")
    row = await there(first, "clerk", "1", Status.WAITING)
    await first.handle("clerk", "2", data="other", conversation="c2")
    await first.crash()
    await asyncio.sleep(45 * 86_400)
    second = await running(PerpetualAgent([refund], agent_id="clerk", model=second_model), world=first.world)
    await second.handle("clerk", "3", data="other again", conversation="c2")
    await approve(second, "clerk", row)
    done = await there(second, "clerk", "1", Status.DONE)
    assert (result_of(done), made) == ("read 6", ["refund o-1"])
    asked = [len(model.requests) for model in (first_model, second_model)]
    assert asked == [3, 2]  # hello, refund, other; other again, and what follows the refund
    assert result_of(await second.handle("clerk", "4", data="more", conversation="c1")) == "read 8"


async def test_a_denial_is_read_by_the_model_as_an_error() -> None:
    model = ScriptedModel(clerk)
    system = await running(PerpetualAgent([refund], agent_id="clerk", model=model))
    await system.send("clerk", "1", data="refund o-1")
    row = await there(system, "clerk", "1", Status.WAITING)
    await system.answers.deny(AgentId("clerk"), row.key, by="ada", reason="no")
    await there(system, "clerk", "1", Status.DONE)
    told = model.requests[-1].messages[-1]
    assert "refund was not called: denied by ada: no" in str(told)
    assert told.failed
    assert made == []


def team_of(model: ScriptedModel) -> AgentTeam:
    members = [
        PerpetualAgent([refund], name="clerk", model=model),
        PerpetualAgent([], name="checker", model=model),
    ]
    return AgentTeam(members, turns_max=2, agent_id="office")


async def test_a_team_goes_on_in_the_middle_of_its_talk_on_another_host() -> None:
    first_model, second_model = ScriptedModel(clerk), ScriptedModel(clerk)
    first = await running(team_of(first_model))
    await first.send("office", "1", data="refund o-1", conversation="c1")
    row = await there(first, "office", "1", Status.WAITING)
    await first.crash()
    await asyncio.sleep(45 * 86_400)
    second = await running(team_of(second_model), world=first.world)
    await approve(second, "office", row)
    done = await there(second, "office", "1", Status.DONE)
    assert made == ["refund o-1"]
    assert [len(first_model.requests), len(second_model.requests)] == [1, 2]
    assert [each["source"] for each in result_of(done)["messages"]] == ["user", "clerk", "checker"]
    await second.handle("office", "2", data="more", conversation="c1")
    assert made == ["refund o-1"]


async def test_other_conversations_of_a_team_go_on_meanwhile_and_change_nothing_of_it() -> None:
    first_model, second_model = ScriptedModel(clerk), ScriptedModel(clerk)
    first = await running(team_of(first_model))
    await first.handle("office", "0", data="hello", conversation="c1")
    await first.send("office", "1", data="refund o-1", conversation="c1")
    row = await there(first, "office", "1", Status.WAITING)
    await first.handle("office", "2", data="other", conversation="c2")
    await first.handle("office", "3", data="without a name")
    await first.crash()
    second = await running(team_of(second_model), world=first.world)
    await second.handle("office", "4", data="other again", conversation="c2")
    await second.send("office", "5", data="wait for it", conversation="c1")
    asked = len(second_model.requests)
    await approve(second, "office", row)
    await there(second, "office", "1", Status.DONE)
    last = await there(second, "office", "5", Status.DONE)
    assert made == ["refund o-1"]
    assert len(first_model.requests) == 2 + 1 + 2 + 2
    assert len(second_model.requests) - asked == 2 + 2  # what followed the refund, and the event that it held
    talked = str(second_model.requests[-1].messages)
    assert ("hello" in talked, "refund o-1" in talked, "other" in talked) == (True, True, False)
    assert result_of(last)["messages"][0]["text"] == "wait for it"


async def test_calls_beside_one_that_waits_come_to_their_end() -> None:
    def both(request: ModelRequest) -> Any:
        if request.messages[-1].role == "user":
            return ToolCall("1", "refund", {"order": "o-1"}), ToolCall("2", "email", {"to": "ada"})
        return "done"

    model = ScriptedModel(both)
    system = await running(PerpetualAgent([refund, email], agent_id="clerk", model=model))
    await system.send("clerk", "1", data="go")
    row = await there(system, "clerk", "1", Status.WAITING)
    assert made == ["email ada"]
    await approve(system, "clerk", row)
    assert result_of(await there(system, "clerk", "1", Status.DONE)) == "done"
    assert (made, len(model.requests)) == (["email ada", "refund o-1"], 2)


# --- rings ------------------------------------------------------------------------------------------------------


class Ring(BaseAgent):
    """Asks the agent that its event names next."""

    async def on_event(self, event: Event, context: Context) -> Any:
        first, *rest = event.data
        return await context.ask(first, rest or ["a"], timeout_seconds=60)


async def test_a_ring_of_asks_is_refused_with_its_names() -> None:
    class A(Ring):
        name = "a"

    class B(Ring):
        name = "b"

    class C(Ring):
        name = "c"

    system = await running(A, B, C)
    await system.send("a", "1", data=["b", "c", "a"])
    await passed(100)
    ended = [row for agent in "abc" for row in (await system.rows(agent)).values() if row.status is Status.FAILED]
    assert [row.reason for row in ended if "deadlock" in row.reason.lower()]
    assert "a → b → c → a" in ended[0].reason or "a -> b -> c -> a" in ended[0].reason, ended[0].reason


async def test_whoever_asks_itself_is_refused() -> None:
    class A(Ring):
        name = "a"

    system = await running(A)
    row = await system.handle("a", "1", data=["a"])
    assert row.status is Status.FAILED


# --- long turns -------------------------------------------------------------------------------------------------


class Long(BaseAgent):
    """Makes ten steps of a minute each."""

    async def on_event(self, event: Event, context: Context) -> Any:
        return [await context.step("minute", minute, number) for number in range(10)]


async def minute(number: int) -> int:
    made.append(str(number))
    await asyncio.sleep(60)
    return number


RULES = Rules(turn_deadline_seconds=150, turn_timeout_seconds=300, backoff_base_seconds=2.0)


async def test_a_turn_past_its_deadline_stops_at_the_next_step_and_goes_on() -> None:
    system = await running(Long, rules=RULES)
    row = await system.handle("long", "1")
    assert result_of(row) == list(range(10))
    assert made == [str(number) for number in range(10)]  # each once
    assert (row.attempts, row.claims) == (1, 4)


async def test_a_mind_past_its_deadline_goes_on_from_its_steps() -> None:
    def slow(request: ModelRequest) -> Any:
        if len(request.messages) < 8:
            return Late(60, ToolCall(f"c{len(request.messages)}", "email", {"to": f"n{len(request.messages)}"}))
        return "done"

    model = ScriptedModel(slow)
    system = await running(PerpetualAgent([email], agent_id="clerk", model=model), rules=RULES)
    row = await system.handle("clerk", "1", data="go")
    assert result_of(row) == "done"
    assert len(made) == len(set(made))
    assert (len(model.requests), row.attempts, row.claims > 1) == (len(made) + 1, 1, True)


async def test_a_lost_fence_stops_a_long_turn_at_its_next_step() -> None:
    system = await running(Long, rules=RULES)
    await system.send("long", "1")
    await passed(30)
    await (await system.kernel.awaken_fresh(AgentId("long"))).remember("other", 1)  # another writer
    row = await system.handle("long", "1")
    assert result_of(row) == list(range(10))
    assert made.count("0") == 2  # in flight when the fence was lost: its result could not be kept
    assert [made.count(str(number)) for number in range(1, 10)] == [1] * 9


async def test_calls_beside_one_that_stops_at_the_deadline_come_to_their_end() -> None:
    class Both(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            await asyncio.gather(context.call(slow_email, to="ada"), self.minutes(context))

        async def minutes(self, context: Context) -> None:
            for number in range(5):
                await context.step("minute", minute, number)

    @tool(timeout_seconds=200)
    async def slow_email(to: str) -> str:
        made.append(f"email {to}")
        await asyncio.sleep(190)
        return "sent"

    system = await running(Both, rules=RULES)
    row = await system.handle("both", "1")
    assert row.status is Status.DONE
    assert made.count("email ada") == 1


# --- streams ----------------------------------------------------------------------------------------------------


class Streamer(BaseAgent):
    model: ScriptedModel
    fails = 0
    heard: list[list[str]] = []  # noqa: RUF012  # one for the module's tests

    async def on_event(self, event: Event, context: Context) -> Any:
        from AgentOperatingSystem.agents.thinking import model_of

        pieces = [
            delta.text async for delta in model_of(Streamer.model).stream(ModelRequest.ask("Say it")) if delta.text
        ]
        Streamer.heard.append(pieces)
        if Streamer.fails:
            Streamer.fails -= 1
            raise Retryable
        return "".join(pieces)


async def test_a_stream_is_paid_once_and_is_a_stream_again() -> None:
    Streamer.model, Streamer.fails = ScriptedModel([Pieces(texts=("one ", "two")), "unpaid"]), 1
    Streamer.heard.clear()
    system = await running(Streamer)
    assert result_of(await system.handle("streamer", "1")) == "one two"
    assert len(Streamer.model.requests) == 1
    assert Streamer.heard[0] == ["one ", "two"]
    assert "".join(Streamer.heard[1]) == "one two"
