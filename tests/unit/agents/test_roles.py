"""Roles: who may speak, act and address whom; told to the model, shown in messages, and held as policy."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.agents import AgentTeam, PerpetualAgent, PurposeDrivenAgent, conditions
from AgentOperatingSystem.agents.agent import Agent
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.coder_agent import CoderAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.intelligence_agent import IntelligenceAgent
from AgentOperatingSystem.agents.knowledge_agent import KnowledgeAgent
from AgentOperatingSystem.agents.learning_agent import LearningAgent
from AgentOperatingSystem.agents.roles import Role, RoleViolation, next_speakers, role_of
from AgentOperatingSystem.errors import ConfigurationError, EventFailed
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from tests.unit.agents.minds import member, says, system, tell
from tests.unit.agents.teams import team

READER = Role(name="reader", tools=("look_up",), addresses=("writer", "desk/*"))
WRITER = Role(name="writer", addresses=("reader",))
LISTENER = Role(name="listener", speaks=False)
REFUSAL = "I may not."


def look_up(word: str) -> str:
    """A definition."""
    return f"{word}: a word"


def publish(text: str) -> str:
    """Makes it public."""
    return text


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_name_alone_allows_everything() -> None:
    role = role_of("reader")
    assert role == Role(name="reader")
    assert role is not None
    assert (role.may_use("x"), role.may_address("x"), role.speaks) == (True, True, True)
    assert (role_of(""), role_of(None), role_of(READER)) == (None, None, READER)


def test_what_is_not_named_is_not_allowed() -> None:
    assert (READER.may_use("look_up"), READER.may_use("publish")) == (True, False)
    assert not Role(name="mute", tools=()).may_use("look_up")
    assert Role(name="r", tools=("look_*",)).may_use("look_up")


@pytest.mark.parametrize(
    ("agent", "allowed"),
    [(AgentId("writer"), True), (AgentId("writer", "7"), True), (AgentId("desk", "7"), True), (AgentId("desk"), False)],
)
def test_agents_are_addressed_by_name_or_address(agent: AgentId, allowed: bool) -> None:
    if allowed:
        READER.check_recipient(agent)
        return
    with pytest.raises(RoleViolation, match=r"role 'reader' may not address desk; it may address writer, desk/\*"):
        READER.check_recipient(agent)


def test_who_does_not_speak_publishes_nothing() -> None:
    READER.check_publishes()
    with pytest.raises(RoleViolation, match="'listener' does not speak"):
        LISTENER.check_publishes()


def test_who_may_speak_next() -> None:
    roles = {"ann": READER, "bob": WRITER, "cid": None, "dan": Role(name="reader")}
    assert next_speakers("ann", roles) == ["bob"]
    assert next_speakers("bob", roles) == ["ann", "dan"], "by the name of the role"
    assert next_speakers("cid", roles) == ["ann", "bob", "dan"]
    assert next_speakers("user", roles) == list(roles)


# --- an agent ---------------------------------------------------------------------------------------------------------


def test_a_tool_outside_of_the_role_is_refused_when_the_agent_is_made() -> None:
    assert PerpetualAgent([look_up], role=READER).role == READER
    with pytest.raises(ConfigurationError, match="role 'reader' may not use tool 'publish'; it may use look_up"):
        PerpetualAgent([look_up, publish], role=READER)


def test_the_model_is_told() -> None:
    agent = PerpetualAgent([look_up], "Be brief.", role=READER, model=ScriptedModel([]), description="reads.")
    assert agent.spec().system_message == (
        "Your role: reader. In it you may use these tools: look_up. In it you may address: writer, desk/*.\n\nBe brief."
    )
    assert agent.spec().description == "reader: reads."


@pytest.mark.parametrize(
    "kind", [Agent, CoderAgent, IntelligenceAgent, KnowledgeAgent, LearningAgent, PerpetualAgent, PurposeDrivenAgent]
)
def test_every_agent_that_thinks_takes_a_role(kind: Any) -> None:
    made = kind(agent_id="a", role=WRITER, **({"purpose": "order"} if kind is PurposeDrivenAgent else {}))
    assert made.role == WRITER
    assert made.handoffs == ()


def test_a_tool_outside_of_the_role_is_refused_when_it_is_registered() -> None:
    agent = Agent("Helper", role=READER, tools=(look_up,))
    with pytest.raises(ConfigurationError, match="role 'reader' may not use tool 'publish'"):
        agent.register_tool(publish)
    assert [tool.record.name for tool in agent.tools] == ["look_up"]
    with pytest.raises(ConfigurationError, match="role 'reader' may not use tool 'publish'"):
        Agent("Helper", role=READER, tools=(publish,))


async def test_a_tool_that_came_later_is_not_called(tmp_path: Path) -> None:
    called: list[str] = []

    def erase(name: str) -> str:
        """Removes it."""
        called.append(name)
        return "gone"

    model = ScriptedModel([ToolCall("1", "erase", {"name": "x"}), REFUSAL])
    agent = PerpetualAgent([look_up], agent_id="clerk", role=READER, model=model)
    agent.tools = (look_up, erase)
    async with system(tmp_path, agent) as aos:
        assert await tell(aos, "clerk", "Erase x.") == REFUSAL
    assert called == []
    assert "erase was not called: role 'reader' may not use it; it may use look_up" in str(model.requests[-1].messages)


async def test_the_role_is_asked_before_the_purpose(tmp_path: Path) -> None:
    def judge(request: ModelRequest) -> Answer:
        return '{"aligned": true, "reason": "Fine."}'

    agent = PurposeDrivenAgent("clerk", "Help", tools=[look_up], role=READER, model=ScriptedModel(judge))
    guard = agent.spec().guard
    assert guard is not None
    assert await guard("look_up", {"word": "a"}) == ""
    assert "role 'reader' may not use it" in await guard("publish", {})
    assert len(agent.model.requests) == 1  # type: ignore[union-attr]  # the scripted model above


# --- a team -----------------------------------------------------------------------------------------------------------


def roled(*roles: Role | str | None, kind: Any = "round_robin", turns: int = 4, **more: Any) -> AgentTeam:
    """A team of `a`, `b`, … with these roles."""
    model = ScriptedModel(counts)
    members = [member(name, model, role=role) for name, role in zip("abc", roles, strict=False)]
    until = conditions.messages(turns)
    return AgentTeam(members, termination_condition=until, kind=kind, agent_id="team", model=model, **more)


def counts(request: ModelRequest) -> str:
    """Everybody says how much they have heard; a selector takes the last one of those that it may take."""
    found = re.search(r"next role from \[(.*?)\]", request.messages[-1].text)
    names: list[str] = re.findall(r"\w+", found[1]) if found else []
    return names[-1] if names else f"heard {len(request.messages) - 1}"


def speakers(result: Any) -> Sequence[str]:
    return [said["source"] for said in result["messages"]][1:]


async def test_messages_show_the_role(tmp_path: Path) -> None:
    async with system(tmp_path, roled("head", None)) as aos:
        result = await tell(aos, "team", "Well?")
    assert [said.get("role") for said in result["messages"]] == [None, "head", None, "head"]


async def test_who_does_not_speak_takes_no_turn_until_it_has_another_role(tmp_path: Path) -> None:
    async with system(tmp_path, roled("head", LISTENER, None, turns=5)) as aos:
        assert speakers(await tell(aos, "team", "Well?")) == ["a", "c", "a", "c"]
    async with system(tmp_path, roled("head", "deputy", None, turns=5)) as aos:
        result = await tell(aos, "team", "And now?")
    assert speakers(result) == ["a", "b", "c", "a"]
    heard = {said["source"]: said["text"] for said in result["messages"]}
    assert int(heard["b"].split()[-1]) > 6, "all that was said before"


async def test_a_selector_takes_only_whom_the_last_speaker_may_address(tmp_path: Path) -> None:
    """The model would take `c` whenever it may; after the user it does, and never again."""
    to_b, to_a = Role(name="asker", addresses=("b",)), Role(name="answerer", addresses=("asker",))
    async with system(
        tmp_path, roled(to_b, to_a, Role(name="clerk", addresses=("a",)), kind="selector", turns=8)
    ) as aos:
        spoken = speakers(await tell(aos, "team", "Well?"))
    after = dict(pairwise(spoken))
    assert after | {"a": "b", "b": "a", "c": "a"} == {"a": "b", "b": "a", "c": "a"}
    assert len(spoken) == 7


def test_a_selector_whose_members_could_address_nobody_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="role 'hermit' may address no other member"):
        roled(Role(name="hermit", addresses=()), None, kind="selector")


def test_a_handoff_that_the_role_forbids_is_refused() -> None:
    model = ScriptedModel(says)
    a, b = member("a", model, handoffs=["b"], role=READER), member("b", model, handoffs=["a"], role="boss")
    with pytest.raises(ConfigurationError, match="a: role 'reader' may not hand over to 'b'"):
        AgentTeam([a, b], kind="swarm", turns_max=3)
    b = member("b", model, handoffs=["a"], role="writer")
    assert AgentTeam([a, b], kind="swarm", turns_max=3).members == (a, b)


def test_a_team_of_listeners_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs 1 or more members whose role speaks"):
        roled(LISTENER, LISTENER)


async def test_a_newcomer_has_a_role_too(tmp_path: Path) -> None:
    async with system(tmp_path, team(tools=[look_up, publish])) as aos:
        await tell(aos, "team", {"name": "d", "role": "critic"}, type="team.join")
        role = {"name": "reader", "tools": ["look_up"]}
        wrong = {"name": "e", "role": role, "tools": ["publish"]}
        with pytest.raises(EventFailed, match="role 'reader' may not use tool 'publish'"):
            await tell(aos, "team", wrong, type="team.join")
        handing = {"name": "e", "handoffs": ["a"], "role": role | {"addresses": []}}
        with pytest.raises(EventFailed, match="role 'reader' may not hand over to 'a'"):
            await tell(aos, "team", handing, type="team.join")
        kept = await aos.context_server("team").load_state()
    assert [each["role"] for each in kept["joined"]] == ["critic"]


# --- on the bus -------------------------------------------------------------------------------------------------------


class Clerk(BaseAgent):
    """Does with an event what it is told to."""

    role = Role(name="clerk", addresses=("desk", "clerk/*"))

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "send":
            return (await context.send(event.data, 1)).id
        if event.type == "request":
            return await context.request(event.data, 1)
        return (await context.publish(event.data, 1)).id


class Desk(Clerk):
    """Says nothing of its own accord, but answers."""

    role = LISTENER

    async def on_event(self, event: Event, context: Context) -> Any:
        return "heard" if event.type in ("aos.message", "aos.request") else await super().on_event(event, context)


async def test_a_role_holds_on_the_bus_too(tmp_path: Path) -> None:
    async with system(tmp_path, Clerk, Desk) as aos:
        for allowed in ("desk", "desk/1", "clerk/2"):
            assert await tell(aos, "clerk/1", allowed, type="send")
            assert await tell(aos, "clerk/1", allowed, type="request")
        assert await tell(aos, "clerk/1", "news", type="publish")
        for kind in ("send", "request"):
            with pytest.raises(EventFailed, match="role-violation: role 'clerk' may not address clerk; it may address"):
                await tell(aos, "clerk/1", "clerk", type=kind)
        with pytest.raises(EventFailed, match="role-violation: role 'listener' does not speak"):
            await tell(aos, "desk", "news", type="publish")
        assert await aos.message_bus.request("desk") == "heard"
