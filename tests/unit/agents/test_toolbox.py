"""Tools of every kind in an agent's hands: what the model is told of them, and what their errors come to."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from autogen_core.tools import FunctionTool as AutoGensFunctionTool
from pydantic import BaseModel, Field

from AgentOperatingSystem.agents import AgentTeam, PerpetualAgent, PurposeDrivenAgent
from AgentOperatingSystem.errors import ConfigurationError, EventFailed, RateLimited, Retryable, ServiceError, Terminal
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from tests.unit.agents.minds import member, speaker, system, tell


class Line(BaseModel):
    article: str
    count: Annotated[int, Field(ge=1)] = 1


class OrderTool(Tool):
    """Orders, and remembers what it ordered."""

    def __init__(self) -> None:
        self.ordered: list[Line] = []

    async def run(self, line: Line, express: bool = False) -> dict[str, Any]:
        """Order something.

        Args:
            line: what, and how many
        """
        self.ordered.append(line)
        return {"ordered": line.article, "express": express}


@tool(effect="pure")
async def stock(article: str) -> int:
    """How many are there."""
    if article == "down":
        raise ServiceError("the warehouse does not answer")
    return 7


def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


def calls(*asked: ToolCall) -> Callable[[ModelRequest], Answer]:
    """Calls these tools at once, then tells what came of it."""

    def answer(request: ModelRequest) -> Answer:
        results = [message for message in request.messages if message.role == "tool"]
        return "; ".join(f"{message.failed} {message.text}" for message in results) if results else asked

    return answer


async def told(folder: Path, tools: list[Any], *asked: ToolCall) -> str:
    async with system(folder, PerpetualAgent(tools, agent_id="clerk", model=ScriptedModel(calls(*asked)))) as aos:
        return str(await tell(aos, "clerk", "Go."))


# --- what the model sees and hears ----------------------------------------------------------------------------------


async def test_a_tools_record_is_its_schema_one_to_one(tmp_path: Path) -> None:
    model, tools = ScriptedModel(["Fine."]), [order := OrderTool(), stock, AutoGensFunctionTool(double, "Twice.")]
    async with system(tmp_path, PerpetualAgent(tools, agent_id="clerk", model=model)) as aos:
        await tell(aos, "clerk", "Well?")
    shown = model.requests[0].tools
    assert [each.name for each in shown] == ["order", "stock", "double"]
    assert (shown[0].description, shown[0].parameters) == (order.record.description, order.record.parameters)
    assert shown[0].parameters["$defs"]["Line"]["properties"]["count"]["minimum"] == 1
    assert (shown[1].description, shown[2].description) == ("How many are there.", "Twice.")


async def test_tools_of_every_kind_are_called_and_their_results_are_told(tmp_path: Path) -> None:
    order = OrderTool()
    asked = [
        ToolCall("1", "order", {"line": {"article": "A-1", "count": 2}}),
        ToolCall("2", "stock", {"article": "A-1"}),
        ToolCall("3", "double", {"number": 4}),
    ]
    for double_of in (double, FunctionTool(double), AutoGensFunctionTool(double, "Twice.")):
        answer = await told(tmp_path / type(double_of).__module__, [order, stock, double_of], *asked)
        assert answer == 'False {"ordered":"A-1","express":false}; False 7; False 8'
    assert order.ordered == [Line(article="A-1", count=2)] * 3


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("order", {"line": {"article": "A-1", "count": 0}}, "greater than or equal to 1"),
        ("order", {}, "line: Field required"),
        ("stock", {"article": "down"}, "the warehouse does not answer"),
        ("double", {"number": "x"}, "number"),
        ("sell", {}, "sell"),
    ],
)
async def test_errors_are_errors_for_the_model(tmp_path: Path, name: str, arguments: Any, why: str) -> None:
    order = OrderTool()
    answer = await told(
        tmp_path, [order, stock, AutoGensFunctionTool(double, "Twice.")], ToolCall("1", name, arguments)
    )
    assert answer.startswith("True ")
    assert why in answer
    assert order.ordered == []


async def test_a_tool_that_cancels_itself_is_an_error_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    async def give_up() -> str:
        """Gives up."""
        raise asyncio.CancelledError

    assert await told(tmp_path, [give_up], ToolCall("1", "give_up")) == "True give_up was broken off"


# --- what the kernel hears ------------------------------------------------------------------------------------------


class Shaky(Tool):
    """Raises what it is given, then works."""

    name = "shaky"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def run(self) -> str:
        """Tries."""
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_a_handler_error_of_a_tool_reaches_the_kernel_and_not_the_model(tmp_path: Path) -> None:
    model = ScriptedModel(calls(ToolCall("1", "shaky")))
    agent = PerpetualAgent([Shaky(Retryable("busy", 0.01))], agent_id="clerk", model=model)
    async with system(tmp_path, agent) as aos:
        assert await tell(aos, "clerk", "Go.") == "False done"
    assert all("busy" not in message.text for request in model.requests for message in request.messages)
    assert len(model.requests) == 2  # asked and told: what was paid for is not asked again


async def test_autogens_own_tools_reach_the_kernel_too(tmp_path: Path) -> None:
    async def refuse() -> str:
        raise Terminal("never again")

    agent = PerpetualAgent(
        [AutoGensFunctionTool(refuse, "")], agent_id="clerk", model=ScriptedModel([ToolCall("1", "refuse")])
    )
    async with system(tmp_path, agent) as aos:
        with pytest.raises(EventFailed, match="never again"):
            await tell(aos, "clerk", "Go.")


@pytest.mark.parametrize("rounds", [1, 8])
async def test_a_terminal_tool_ends_the_event_even_in_the_last_round(tmp_path: Path, rounds: int) -> None:
    class Brief(PerpetualAgent):
        tool_rounds_max = rounds

    agent = Brief(
        [Shaky(Terminal("no such order"))], agent_id="clerk", model=ScriptedModel(calls(ToolCall("1", "shaky")))
    )
    async with system(tmp_path, agent) as aos:
        with pytest.raises(EventFailed, match="no such order"):
            await tell(aos, "clerk", "Go.")
        assert await tell(aos, "clerk", "Again.") in ("False done", "done")


@pytest.mark.parametrize("kind", ["round_robin", "selector"])
async def test_in_a_team_it_ends_the_teams_run(tmp_path: Path, kind: Any) -> None:
    def answer(request: ModelRequest) -> Answer:
        if speaker(request) == "a" and not any(message.role == "tool" for message in request.messages):
            return ToolCall("1", "shaky")
        return "a" if not speaker(request) else f"I am {speaker(request)}"

    model, shaky = ScriptedModel(answer), Shaky(Retryable("busy", 0.01))
    team = AgentTeam(
        [member("a", model, tools=[shaky]), member("b", model)], turns_max=2, kind=kind, agent_id="t", model=model
    )
    async with system(tmp_path, team) as aos:
        result = await tell(aos, "t", "Go.")
    assert {"source": "a", "text": "I am a"} in result["messages"]
    assert "busy" not in str(model.requests)


async def test_a_slow_tool_is_broken_off_with_its_turn(tmp_path: Path) -> None:
    ended: list[str] = []

    async def slow() -> str:
        """Takes ten minutes."""
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("ended")
        return "late"

    for number, kind in enumerate((slow, FunctionTool(slow), AutoGensFunctionTool(slow, ""))):
        alone = PerpetualAgent([kind], agent_id="one", model=ScriptedModel([ToolCall("1", "slow")]))
        team = AgentTeam(
            [member("a", ScriptedModel([ToolCall("1", "slow")]), tools=[kind])], turns_max=1, agent_id="team"
        )
        async with system(tmp_path / str(number), alone, team, turn_timeout_seconds=0.2, attempts_max=1) as aos:
            for agent in ("one", "team"):
                with pytest.raises(EventFailed, match="longer than"):
                    await tell(aos, agent, "Go.")
        assert ended == ["ended", "ended"]
        ended.clear()


# --- the guard ------------------------------------------------------------------------------------------------------


def judged(request: ModelRequest) -> Answer:
    """Judges that 13 is against the purpose."""
    if request.json_schema is not None:
        return msgspec.json.encode({"aligned": "13" not in request.messages[-1].text, "reason": "So it is."}).decode()
    return calls(ToolCall("1", "count", {"number": 4}), ToolCall("2", "count", {"number": 13}))(request)


COUNTED: list[int] = []


def count(number: int) -> str:
    """Counts."""
    COUNTED.append(number)
    return "counted"


class CountTool(Tool):
    async def run(self, number: int) -> str:
        return count(number)


@pytest.mark.parametrize("kind", [count, FunctionTool(count), CountTool(), AutoGensFunctionTool(count, "Counts.")])
async def test_the_guard_is_asked_for_tools_of_every_kind(tmp_path: Path, kind: Any) -> None:
    COUNTED.clear()
    agent = PurposeDrivenAgent("cfo", "Avoid 13", tools=[kind], model=ScriptedModel(judged))
    async with system(tmp_path, agent) as aos:
        result = await tell(aos, "cfo", "Count.")
        assert len(await aos.context_server("cfo").recall_prefix("decision/", 10)) == 3
    assert COUNTED == [4]
    assert result["decision"] == "False counted; True count was not called: So it is."


async def test_a_guard_that_cannot_judge_for_now_has_the_event_tried_again(tmp_path: Path) -> None:
    COUNTED.clear()
    busy = [RateLimited("slow down", 0.01)]

    def answer(request: ModelRequest) -> Answer:
        return busy.pop() if request.json_schema is not None and busy else judged(request)

    agent = PurposeDrivenAgent("cfo", "Avoid 13", tools=[count], model=ScriptedModel(answer))
    async with system(tmp_path, agent) as aos:
        assert "False counted" in (await tell(aos, "cfo", "Count."))["decision"]
    assert 13 not in COUNTED


# --- mistakes, and teams --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tools", "handoffs", "why"),
    [
        ([double, FunctionTool(double)], [], "two tools are named 'double'"),
        ([FunctionTool(double, name="transfer_to_bob")], ["bob"], "a handoff has this name"),
        ([OrderTool], [], r"give one of its objects, OrderTool\(\)"),
        ([7], [], "7 is no tool"),
        ([lambda x: x], [], "tool name"),
    ],
)
async def test_what_is_wrong_with_tools_is_said(tools: Any, handoffs: list[str], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        await PerpetualAgent(tools, model=ScriptedModel([]), handoffs=handoffs).think("?")


async def test_who_joins_a_team_names_tools_of_every_kind(tmp_path: Path) -> None:
    def answer(request: ModelRequest) -> Answer:
        return f"{speaker(request)} has {', '.join(each.name for each in request.tools) or 'nothing'}"

    model, known = ScriptedModel(answer), [OrderTool(), stock, double, AutoGensFunctionTool(count, "")]
    team = AgentTeam([member("a", model)], turns_max=2, agent_id="t", model=model, tools=known)
    async with system(tmp_path, team) as aos:
        newcomer = {"name": "n", "system_message": "I am n.", "tools": ["order", "stock", "double", "count"]}
        await tell(aos, "t", newcomer, type="team.join")
        result = await tell(aos, "t", "Go.")
    assert [each["text"] for each in result["messages"]][1:] == ["a has nothing", "n has order, stock, double, count"]
