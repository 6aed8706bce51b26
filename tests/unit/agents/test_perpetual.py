"""PerpetualAgent: what it says, remembers and survives, alone and in AutoGen's own teams."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_core import CancellationToken, Image
from autogen_core.models import CreateResult, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.agents.autogen import ModelClient
from AgentOperatingSystem.agents.naming import agent_id_of, autogen_name
from AgentOperatingSystem.errors import (
    ConfigurationError,
    EventFailed,
    InvalidAgentId,
    NoModelConfigured,
    RateLimited,
    Retryable,
    UnsupportedRequest,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ImagePart, ToolCall
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.records import Capabilities, ModelResponse, NamedTool, Usage
from AgentOperatingSystem.ml.scripted import Late, Pieces, ScriptedModel
from tests.unit.agents.minds import says, system, tell

ROOT = Path(__file__).parents[3]


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def fail(why: str) -> str:
    """Always fails."""
    raise ValueError(why)


# --- in the kernel --------------------------------------------------------------------------------------------------


async def test_it_answers_with_its_tools_and_the_model_sees_their_results(tmp_path: Path) -> None:
    model = ScriptedModel([ToolCall("1", "add", {"a": 2, "b": 3}), "It is 5."])
    async with system(tmp_path, PerpetualAgent([add], "Count.", agent_id="clerk", model=model)) as aos:
        assert await tell(aos, "clerk", "What is 2 + 3?") == "It is 5."
    asked, after = model.requests
    assert [message.text for message in asked.messages] == ["Count.", "What is 2 + 3?"]
    assert asked.tools[0].name == "add"
    assert asked.tools[0].parameters["required"] == ["a", "b"]
    assert (after.messages[-1].role, after.messages[-1].text, after.messages[-1].failed) == ("tool", "5", False)


async def test_an_error_of_a_tool_goes_to_the_model_as_an_error(tmp_path: Path) -> None:
    model = ScriptedModel([ToolCall("1", "fail", {"why": "no paper"}), "It failed."])
    async with system(tmp_path, PerpetualAgent([fail], agent_id="clerk", model=model)) as aos:
        assert await tell(aos, "clerk", "Print.") == "It failed."
    assert model.requests[-1].messages[-1].failed
    assert "no paper" in model.requests[-1].messages[-1].text


async def test_an_event_that_is_no_text_is_told_with_its_type(tmp_path: Path) -> None:
    model = ScriptedModel(["Noted."])
    async with system(tmp_path, PerpetualAgent(agent_id="clerk", model=model)) as aos:
        await tell(aos, "clerk", {"amount": 7}, type="order.placed", subject="o-1")
    assert model.requests[0].messages[-1].text == '{"type":"order.placed","subject":"o-1","data":{"amount":7}}'


async def test_the_conversation_goes_on_after_a_restart_as_in_one_run(tmp_path: Path) -> None:
    async def conversation(folder: Path, hosts: int) -> tuple[list[Any], Any]:
        answers: list[Any] = []
        state: Any = None
        for host in range(hosts):
            agent = PerpetualAgent([add], "I am clerk.", agent_id="clerk", model=ScriptedModel(says))
            async with system(folder, agent) as aos:
                answers += [await tell(aos, "clerk", f"{host * (4 // hosts) + n}") for n in range(4 // hosts)]
                state = await aos.context_server("clerk").load_state()
        return answers, state

    undisturbed = await conversation(tmp_path / "one", 1)
    assert undisturbed[0] == ["clerk heard 1", "clerk heard 3", "clerk heard 5", "clerk heard 7"]
    assert await conversation(tmp_path / "four", 4) == undisturbed


async def test_a_failed_try_leaves_nothing_in_the_conversation(tmp_path: Path) -> None:
    model = ScriptedModel([RateLimited("slow down", 0.01), "Here I am.", "Again."])
    async with system(tmp_path, PerpetualAgent(agent_id="clerk", model=model)) as aos:
        assert await tell(aos, "clerk", "Hello?") == "Here I am."
        assert await tell(aos, "clerk", "And now?") == "Again."
    assert [message.text for message in model.requests[1].messages[1:]] == ["Hello?"]
    assert [message.text for message in model.requests[2].messages[1:]] == ["Hello?", "Here I am.", "And now?"]


async def test_what_is_said_before_a_handler_fails_is_forgotten_with_it(tmp_path: Path) -> None:
    class Stumbling(PerpetualAgent):
        stumbles = True

        async def process(self, event: Any) -> Any:
            answer = await super().process(event)
            if event.data == "2" and self.stumbles:
                self.stumbles = False
                raise Retryable("once more", 0.01)
            return answer

    agent = Stumbling(system_message="I am clerk.", agent_id="clerk", model=ScriptedModel(says))
    async with system(tmp_path, agent) as aos:
        assert [await tell(aos, "clerk", each) for each in "123"] == [f"clerk heard {n}" for n in (1, 3, 5)]


async def test_a_model_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    agent = PerpetualAgent(agent_id="clerk", model=ScriptedModel([Late(600, "Much later.")]))
    async with system(tmp_path, agent, turn_timeout_seconds=0.2, attempts_max=1) as aos:
        with pytest.raises(EventFailed, match="longer than"):
            await tell(aos, "clerk", "Hello?")


async def test_the_state_beside_the_conversation_is_the_agents_own(tmp_path: Path) -> None:
    class Clerk(PerpetualAgent):
        def __init__(self) -> None:
            super().__init__(system_message="I am clerk.", model=ScriptedModel(says))

        async def process(self, event: Any) -> Any:
            self.state["seen"] = self.state.get("seen", 0) + 1
            return await super().process(event)

    async with system(tmp_path, Clerk) as aos:
        assert await tell(aos, "clerk/1", "x") == "clerk heard 1"
        assert await tell(aos, "clerk/2", "x") == "clerk heard 1"
        assert await tell(aos, "clerk/1", "x") == "clerk heard 3"
        state = await aos.context_server("clerk/1").load_state()
    assert state == {"seen": 2}


async def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    async with system(tmp_path, PerpetualAgent(agent_id="clerk")) as aos:
        assert str(await tell(aos, "clerk", "Hello?")).startswith("No model is configured")


async def test_the_configured_model_is_taken_where_none_is_named(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"text": "From the script."}]')
    async with system(tmp_path, PerpetualAgent(agent_id="clerk"), model=f"scripted/{script}") as aos:
        assert await tell(aos, "clerk", "Hello?") == "From the script."


# --- in AutoGen's own hands -----------------------------------------------------------------------------------------


async def test_autogens_teams_take_it_as_a_member() -> None:
    one = PerpetualAgent(name="one", model=ScriptedModel(["First.", "Third."]))
    two = PerpetualAgent(agent_id="two-b", model=ScriptedModel(["Second."]))
    team = RoundRobinGroupChat([one, two], termination_condition=MaxMessageTermination(4))  # type: ignore[list-item]  # registered
    result = await team.run(task="Go.")
    assert [(each.source, each.to_text()) for each in result.messages][1:] == [
        ("one", "First."),
        ("two_x2d_b", "Second."),
        ("one", "Third."),
    ]
    state = await team.save_state()
    assert len(state["agent_states"]["one"]["agent_state"]["llm_context"]["messages"]) == 4


async def test_it_is_a_chat_agent_that_may_hand_over() -> None:
    agent = PerpetualAgent(name="one", model=ScriptedModel([]), handoffs=["two"])
    assert isinstance(agent, ChatAgent)
    Swarm([agent])


async def test_on_messages_answers_and_its_state_can_be_moved() -> None:
    agent = PerpetualAgent(model=ScriptedModel(["Hello."]))
    said = TextMessage(content="Hi.", source="user")
    response = await agent.on_messages([said], CancellationToken())
    assert (agent.name, response.chat_message.source) == ("PerpetualAgent", "PerpetualAgent")
    assert response.chat_message.to_text() == "Hello."
    other = PerpetualAgent(model=(model := ScriptedModel(["Still here."])))
    await other.load_state(await agent.save_state())
    streamed = [each async for each in other.on_messages_stream([TextMessage(content="And?", source="bob")])]
    assert streamed[-1].chat_message.to_text() == "Still here."
    assert [message.text for message in model.requests[0].messages[1:]] == ["Hi.", "Hello.", "bob: And?"]
    await other.on_reset(CancellationToken())
    assert (await other.save_state())["llm_context"]["messages"] == []


async def test_where_it_was_initialized_save_state_commits_its_own_state_too(tmp_path: Path) -> None:
    agent = PerpetualAgent(agent_id="clerk", model=ScriptedModel([]))
    async with system(tmp_path, agent) as aos:
        await agent.initialize()
        agent.state = {"seen": 3}
        assert await agent.save_state() == {}
        assert await aos.context_server("clerk").load_state() == {"seen": 3}


# --- the model as AutoGen's client ----------------------------------------------------------------------------------


async def test_a_client_counts_what_was_used_and_streams() -> None:
    whole = ModelResponse(text="Whole.", usage=Usage(input_tokens=3, output_tokens=2))
    client = ModelClient(ScriptedModel([whole, Pieces(texts=("In ", "pieces."))]))
    asked: list[LLMMessage] = [SystemMessage(content="s"), UserMessage(content="u", source="user")]
    result = await client.create(asked)
    assert (result.content, result.usage.prompt_tokens, result.usage.completion_tokens) == ("Whole.", 3, 2)
    streamed = [piece async for piece in client.create_stream(asked)]
    assert streamed[:2] == ["In ", "pieces."]
    assert isinstance(streamed[-1], CreateResult)
    assert (client.total_usage().prompt_tokens, client.actual_usage().prompt_tokens) == (3, 0)


async def test_a_client_breaks_off_when_autogen_cancels() -> None:
    client, token = ModelClient(ScriptedModel([Late(600, "late")])), CancellationToken()
    asyncio.get_running_loop().call_later(0.05, token.cancel)
    with pytest.raises(asyncio.CancelledError):
        await client.create([UserMessage(content="u", source="user")], cancellation_token=token)


async def test_a_client_passes_images_choices_and_schemas() -> None:
    model = ScriptedModel([ToolCall("1", "add", {"a": 1, "b": 1}), '{"a": 1}'])
    client, tool = ModelClient(model), FunctionTool(add, description="adds")
    image = Image.from_base64(PIXEL)
    await client.create([UserMessage(content=["see", image], source="user")], tools=[tool], tool_choice=tool)
    await client.create([UserMessage(content="json", source="user")], json_output=True)
    shown = model.requests[0].messages[0].parts[1]
    assert isinstance(shown, ImagePart)
    assert (shown.media_type, shown.data[:4]) == ("image/png", b"\x89PNG")
    assert model.requests[0].tool_choice == NamedTool("add")
    assert model.requests[1].json_schema is not None


async def test_no_verdict_is_made_up_offline() -> None:
    with pytest.raises(NoModelConfigured):
        await ModelClient(OfflineModel()).create([UserMessage(content="?", source="user")], json_output=True)


def test_what_is_left_of_a_context_is_known_or_refused() -> None:
    asked = [UserMessage(content="x" * 40, source="user")]
    known = ModelClient(ScriptedModel([], capabilities=Capabilities(context_tokens=100)))
    assert known.remaining_tokens(asked) == 90
    with pytest.raises(UnsupportedRequest, match="context"):
        ModelClient(ScriptedModel([])).remaining_tokens(asked)


# --- names ----------------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
KEYS = st.text(st.characters(exclude_categories=["C"]), max_size=12)


@given(NAMES, KEYS)
def test_every_agent_id_has_an_identifier_of_its_own(name: str, key: str) -> None:
    agent_id = str(AgentId(name, key))
    assert autogen_name(agent_id).isidentifier()
    assert agent_id_of(autogen_name(agent_id)) == agent_id


@pytest.mark.parametrize("agent_id", ["ceo", "chief_officer", "PerpetualAgent", "a__b"])
def test_an_id_that_is_an_identifier_stays(agent_id: str) -> None:
    assert PerpetualAgent(agent_id=agent_id).name == agent_id


async def test_a_name_of_its_own_does_not_change_the_address(tmp_path: Path) -> None:
    agent = PerpetualAgent(agent_id="ceo-1", name="Chief", model=ScriptedModel(["Yes."]))
    async with system(tmp_path, agent) as aos:
        assert await tell(aos, "ceo-1", "?") == "Yes."
    with pytest.raises(InvalidAgentId, match="identifiers"):
        PerpetualAgent(name="not-one")


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_a_state_of_another_type_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="state_type"):
        type("Typed", (PerpetualAgent,), {"state_type": int})


@pytest.mark.parametrize("tool", [lambda x: x, "add"])
async def test_what_is_no_tool_is_refused_in_words(tool: Any) -> None:
    with pytest.raises(ConfigurationError, match="tool"):
        await PerpetualAgent([tool], model=ScriptedModel([])).think("?")


WITHOUT_AUTOGEN = """
import asyncio, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("autogen"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import AgentTeam, PerpetualAgent
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml.scripted import ScriptedModel
async def main():
    async with AgentOperatingSystem(AOSConfig(data_dir=sys.argv[1])) as aos:
        await aos.register_agent(PerpetualAgent(agent_id="clerk"))
        print(await aos.process_event({"type": "t", "agent": "clerk", "data": "Hello?"}))
    try:
        await PerpetualAgent(model=ScriptedModel(["x"])).think("?")
    except ConfigurationError as error:
        print(error)
asyncio.run(main())
"""


def test_without_autogen_it_is_there_and_says_what_thinking_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_AUTOGEN, str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    offline, missing = ran.stdout.splitlines()
    assert offline.startswith("No model is configured")
    assert missing == "thinking needs AutoGen, which is not installed: pip install 'agent-operating-system[autogen]'"


def test_neither_the_package_nor_its_agents_load_autogen() -> None:
    program = (
        "import sys, AgentOperatingSystem; from AgentOperatingSystem.agents import *;"
        "PerpetualAgent(agent_id='a'); AgentTeam([PerpetualAgent()], turns_max=1); PurposeDrivenAgent('a', 'p');"
        "print([name for name in sys.modules if name.startswith(('autogen', 'openai'))])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
