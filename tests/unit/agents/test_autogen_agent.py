"""AutoGen's own agents, teams, tools and workbenches, as their users write them: they gain the journal unchanged."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_core.tools import FunctionTool, TextResultContent, ToolResult, ToolSchema, Workbench

from AgentOperatingSystem.agents.autogen_agent import AutoGenAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.steps import Step, StepKind
from AgentOperatingSystem.agents.waiting import Approval
from AgentOperatingSystem.errors import ConfigurationError, Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.storage.records import EventRow, Status
from AgentOperatingSystem.tools.records import Effect, effect_of
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time(grace_seconds=0.01)
made: list[str] = []


class Client(ChatCompletionClient):
    """A model of the user's own: says what its script says, in order."""

    asked: list[list[Any]] = []  # noqa: RUF012  # one for the module's tests

    def __init__(self, *script: Any) -> None:
        self._script = script

    def _next(self, messages: Any) -> CreateResult:
        Client.asked.append(list(messages))
        said = self._script[min(len(Client.asked), len(self._script)) - 1]
        content = [said] if isinstance(said, FunctionCall) else said
        reason = "function_calls" if isinstance(said, FunctionCall) else "stop"
        return CreateResult(finish_reason=reason, content=content, usage=RequestUsage(3, 2), cached=False)

    async def create(self, messages: Any, **named: Any) -> CreateResult:
        return self._next(messages)

    async def create_stream(self, messages: Any, **named: Any) -> Any:
        result = self._next(messages)
        if isinstance(result.content, str):
            for word in result.content.split(" "):
                yield word
        yield result

    async def close(self) -> None: ...

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Any, **named: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Any, **named: Any) -> int:
        return 1000

    @property
    def capabilities(self) -> ModelInfo:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=True, json_output=True, structured_output=True, family=ModelFamily.UNKNOWN
        )


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    made.clear()
    Client.asked.clear()
    Unlucky.fails = 0


class Unlucky(AutoGenAgent):
    """Fails after it has answered, as often as it is told to."""

    fails = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        result = await super().on_event(event, context)
        if Unlucky.fails:
            Unlucky.fails -= 1
            raise Retryable
        return result


async def refund(order: str) -> str:
    """Gives the money back."""
    made.append(order)
    return f"refunded {order}"


def call(name: str = "refund", arguments: str = '{"order": "o-1"}') -> FunctionCall:
    return FunctionCall("c1", arguments, name)


async def steps_of(system: System, agent: str, event_id: str) -> list[Step]:
    row = await system.row(agent, event_id)
    found = await Recorder(system.parts, AgentId(agent)).read(row.key)
    return sorted(found.values(), key=lambda step: step.number)


async def test_an_assistant_pays_once_for_its_model_and_its_tools() -> None:
    def build() -> AssistantAgent:
        return AssistantAgent("clerk", Client(call(), "It is done."), tools=[refund], reflect_on_tool_use=True)

    Unlucky.fails = 2
    system = await running(Unlucky(build, agent_id="clerk"))
    row = await system.handle("clerk", "1", data="Refund o-1")
    assert result_of(row)["text"] == "It is done."
    assert (made, len(Client.asked), row.attempts) == (["o-1"], 2, 3)
    model, tool, last = await steps_of(system, "clerk", "1")
    assert [model.kind, tool.kind, last.kind] == [StepKind.MODEL, StepKind.TOOL, StepKind.MODEL]
    assert (tool.effect, tool.about) == (Effect.AT_MOST_ONCE, {"order": "o-1"})
    assert model.spent is not None
    assert (model.spent.input_tokens, model.spent.output_tokens, model.spent.cost) == (3, 2, None)


async def test_a_streaming_model_pays_once_too() -> None:
    def build() -> AssistantAgent:
        return AssistantAgent("clerk", Client("one two three"), model_client_stream=True)

    Unlucky.fails = 1
    system = await running(Unlucky(build, agent_id="clerk"))
    row = await system.handle("clerk", "1", data="Count")
    assert result_of(row)["text"] == "one two three"
    assert (len(Client.asked), row.attempts) == (1, 2)


async def test_its_conversations_go_on_each_by_itself() -> None:
    system = await running(AutoGenAgent(lambda: AssistantAgent("clerk", Client("yes")), agent_id="clerk"))
    await system.handle("clerk", "1", data="first", conversation="a")
    await system.handle("clerk", "2", data="other", conversation="b")
    await system.handle("clerk", "3", data="second", conversation="a")
    assert [str(each.content) for each in Client.asked[-1]][1:] == ["first", "yes", "second"]


async def test_a_team_pays_once() -> None:
    def build() -> RoundRobinGroupChat:
        client = Client(call(), "It is done.", "I agree.")
        clerk = AssistantAgent("clerk", client, tools=[refund], reflect_on_tool_use=True)
        return RoundRobinGroupChat([clerk, AssistantAgent("checker", client)], max_turns=2)

    Unlucky.fails = 2
    system = await running(Unlucky(build, agent_id="office", effects={"refund": "idempotent"}))
    row = await system.handle("office", "1", data="Refund o-1")
    told = result_of(row)
    assert [each["source"] for each in told["messages"]] == ["user", "clerk", "checker"]
    assert (told["text"], made, len(Client.asked)) == ("I agree.", ["o-1"], 3)
    assert (await steps_of(system, "office", "1"))[1].effect is Effect.IDEMPOTENT
    Unlucky.fails = 0
    await system.handle("office", "2", data="And now?")
    assert any("Refund o-1" in str(each.content) for each in Client.asked[-1])


async def test_a_selector_and_a_mind_of_several_minds_pay_once() -> None:
    def build() -> SelectorGroupChat:
        client = Client("clerk")
        inner = RoundRobinGroupChat([AssistantAgent("inner", client)], termination_condition=MaxMessageTermination(2))
        members: list[Any] = [AssistantAgent("clerk", client), SocietyOfMindAgent("society", inner, client)]
        return SelectorGroupChat(members, client, max_turns=1)

    Unlucky.fails = 1
    system = await running(Unlucky(build, agent_id="office"))
    row = await system.handle("office", "1", data="Who?")
    assert row.status is Status.DONE, row.reason
    assert len(Client.asked) == len(await steps_of(system, "office", "1"))


async def test_a_call_of_a_tool_that_a_crash_cut_is_in_doubt_and_confirmed() -> None:
    async def slow(order: str) -> str:
        """Gives the money back."""
        made.append(order)
        await asyncio.sleep(3000)
        return "late"

    def build() -> RoundRobinGroupChat:
        tool = FunctionTool(slow, description="Gives the money back.", name="refund")
        clerk = AssistantAgent("clerk", Client(call(), "It is done."), tools=[tool], reflect_on_tool_use=True)
        return RoundRobinGroupChat([clerk], max_turns=1)

    first = await running(AutoGenAgent(build, agent_id="office"))
    await first.send("office", "1", data="Refund o-1")
    await passed(2)
    await first.crash()
    second = await running(AutoGenAgent(build, agent_id="office"), world=first.world)
    row = await there(second, Status.IN_DOUBT)
    await second.effects.confirm(AgentId("office"), row.key, "refunded by hand", by="ada")
    assert result_of(await there(second, Status.DONE))["text"] == "It is done."
    assert made == ["o-1"]
    assert "refunded by hand" in str(Client.asked[-1])


async def there(system: System, *statuses: Status) -> EventRow:
    for _ in range(300):
        row = (await system.rows("office")).get("1")
        if row is not None and row.status in statuses:
            return row
        await passed(1)
    raise AssertionError(await system.rows("office"))


class Bench(Workbench):
    """A workbench of the user's own, as one of the Model Context Protocol is."""

    async def list_tools(self) -> list[ToolSchema]:
        hints = {"look": {"readOnlyHint": True}, "put": {"idempotentHint": True}, "pay": {"destructiveHint": True}}
        return [ToolSchema(name=name, annotations=each) for name, each in hints.items()]  # type: ignore[typeddict-unknown-key]  # as servers send it

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> ToolResult:
        made.append(name)
        return ToolResult(name=name, result=[TextResultContent(content="done")], is_error=name == "pay")

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def reset(self) -> None: ...

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None: ...


@pytest.mark.parametrize(
    ("name", "said", "effect"),
    [
        ("look", {}, Effect.PURE),
        ("put", {}, Effect.IDEMPOTENT),
        ("pay", {}, Effect.AT_MOST_ONCE),
        ("look", {"look": "verify"}, Effect.VERIFY),
    ],
)
async def test_a_workbench_says_what_its_tools_do(name: str, said: dict[str, str], effect: Effect) -> None:
    def build() -> AssistantAgent:
        return AssistantAgent("clerk", Client(call(name, "{}"), "ok"), workbench=Bench(), reflect_on_tool_use=True)

    Unlucky.fails = 1
    system = await running(Unlucky(build, agent_id="clerk", effects=said))
    await system.handle("clerk", "1", data="go")
    assert (await steps_of(system, "clerk", "1"))[1].effect is effect
    assert made == [name]


async def test_a_person_approves_what_a_team_of_autogen_wants() -> None:
    def build() -> RoundRobinGroupChat:
        clerk = AssistantAgent("clerk", Client(call(), "It is done."), tools=[refund], reflect_on_tool_use=True)
        return RoundRobinGroupChat([clerk], max_turns=1)

    first = await running(AutoGenAgent(build, agent_id="office", approvals={"refund": "always"}))
    await first.send("office", "1", data="Refund o-1")
    await there(first, Status.WAITING)
    (asked,) = (await first.answers.list("default")).items
    await first.crash()
    second = await running(AutoGenAgent(build, agent_id="office", approvals={"refund": "always"}), world=first.world)
    assert made == []
    assert isinstance(asked.wants, Approval)
    assert asked.wants.arguments == {"order": "o-1"}
    await second.answers.approve(AgentId("office"), asked.row.key, hash=asked.wants.hash, by="ada")
    assert result_of(await there(second, Status.DONE))["text"] == "It is done."
    assert (made, len(Client.asked)) == (["o-1"], 2)


def test_hints_are_hints() -> None:
    assert effect_of({}) is Effect.AT_MOST_ONCE
    assert effect_of({"readOnlyHint": "yes"}) is Effect.AT_MOST_ONCE
    assert effect_of({"readOnlyHint": True, "idempotentHint": False}) is Effect.PURE


async def test_what_is_no_agent_of_autogen() -> None:
    system = await running(AutoGenAgent(lambda: "nothing", agent_id="clerk"))
    row = await system.handle("clerk", "1", data="go")
    assert "no agent or team of AutoGen's" in row.reason
    with pytest.raises(ConfigurationError, match="effects"):
        AutoGenAgent(lambda: None, agent_id="clerk", effects={"a": "maybe"})


async def test_an_error_of_a_model_is_the_event_s() -> None:
    class Down(Client):
        async def create(self, messages: Any, **named: Any) -> CreateResult:
            Client.asked.append([])
            if len(Client.asked) < 3:
                raise ConnectionError("nobody there")
            return self._next(messages)

    def build() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("clerk", Down("at last"))], max_turns=1)

    system = await running(AutoGenAgent(build, agent_id="office"))
    row = await system.handle("office", "1", data="go")
    assert (result_of(row)["text"], row.attempts) == ("at last", 3)
