"""The specification's rows 5, 43, 46 to 49, 51, 53, 55 and 56: agents that think, teams, purpose.

Each test names its row. Where a row prints code, the code is taken from the specification's text.
"""

from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMessageTermination

import AgentOperatingSystem
from AgentOperatingSystem.agents import AgentTeam, BaseAgent, CoderAgent, PerpetualAgent, PurposeDrivenAgent, conditions
from AgentOperatingSystem.agents.autogen import ModelClient
from AgentOperatingSystem.errors import SandboxUnavailable
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.tools.sandbox.running import sandboxes
from examples.boardroom import agents as boardroom
from tests.cages import skip_without_sandbox
from tests.spec.systems import Execute, system

VERDICT = '{"aligned": true, "reason": "It looks far ahead."}'


def spoken(result: Any) -> list[tuple[str, str]]:
    return [(message.source, message.to_text()) for message in result.messages]


# --- 5, 55 PurposeDrivenAgent and the business agents that extend it ----------------------------------------------


async def test_row_5_the_snippets_agent_registers_decides_and_records_its_purpose(
    execute: Execute, tmp_path: Path
) -> None:
    ceo = (await execute("purpose_driven_agent"))["CEOAgent"]()
    ceo.model = ScriptedModel(["We expand.", VERDICT])
    async with system(tmp_path, ceo) as aos:
        told = await aos.process_event({"type": "proposal", "agent": "ceo", "data": "Expand?"})
        (record,) = (await aos.context_server("ceo").recall_prefix("decision/", 10)).values()
    assert (told["decision"], told["aligned"], told["reason"]) == ("We expand.", True, "It looks far ahead.")
    assert "Strategic oversight" in ceo.model.requests[0].messages[0].text
    assert (record["purpose"], record["adapter"]) == ("Strategic oversight", "ceo")


async def test_row_55_the_snippets_class_itself_can_be_registered(execute: Execute, tmp_path: Path) -> None:
    ceo = (await execute("purpose_driven_agent"))["CEOAgent"]
    assert issubclass(ceo, BaseAgent)
    async with system(tmp_path, ceo()) as aos:
        told = await aos.process_event({"type": "proposal", "agent": "ceo", "data": "Expand?"})
    assert told["decision"].startswith("No model is configured")
    assert told["aligned"] is None


async def test_row_5_exactly_these_keywords() -> None:
    agent = PurposeDrivenAgent(agent_id="ceo", purpose="Strategic oversight", adapter_name="ceo")
    assert (agent.agent_id, agent.purpose, agent.adapter_name) == ("ceo", "Strategic oversight", "ceo")


# --- 43 PerpetualAgent as an AutoGen AssistantAgent ---------------------------------------------------------------


async def test_row_43_the_snippet_runs_with_our_model_client(execute: Execute) -> None:
    client = ModelClient(ScriptedModel(["Perpetually."]))
    base = type("WithClient", (AssistantAgent,), {"model_client": client})
    printed = (await execute("perpetual_agent", AssistantAgent=base))["PerpetualAgent"]([], "Stay.")
    assert spoken(await printed.run(task="For how long?"))[-1] == ("PerpetualAgent", "Perpetually.")


async def test_row_43_ours_takes_the_same_arguments_and_has_the_same_name() -> None:
    model = ScriptedModel(["Perpetually."])
    ours = PerpetualAgent(tools=[], system_message="Stay.")
    ours.model = model
    assert spoken(await ours.run(task="For how long?"))[-1] == ("PerpetualAgent", "Perpetually.")
    assert model.requests[0].messages[0].text == "Stay."


# --- 46 AgentTeam framework, 48 termination conditions ------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "speakers"),
    [(TextMessageTermination("coder"), ["PerpetualAgent", "coder"]), (MaxMessageTermination(2), ["PerpetualAgent"])],
)
async def test_rows_46_and_48_the_snippets_team_finishes_and_returns_messages(
    execute: Execute, condition: Any, speakers: list[str]
) -> None:
    perpetual = PerpetualAgent([], "Review.", model=ScriptedModel(["Write it."]))
    coder = PerpetualAgent([], "Code.", name="coder", model=ScriptedModel(["print()"]))
    left = await execute(
        "agent_team",
        after='result = await team.run(task="A greeting.")',
        perpetual_agent=perpetual,
        coder_agent=coder,
        termination_condition=condition,
    )
    assert [source for source, _ in spoken(left["result"])] == ["user", *speakers]


async def test_rows_46_and_51_the_snippet_s_coder_runs_what_it_writes(execute: Execute) -> None:
    try:
        await sandboxes().check()
    except SandboxUnavailable as error:
        skip_without_sandbox(error)
    model = ScriptedModel([ToolCall("1", "run_python", {"code": "print('Good day')"}), "It prints: Good day"])
    left = await execute(
        "agent_team",
        after='result = await team.run(task="A greeting.")',
        perpetual_agent=PerpetualAgent([], "Review.", model=ScriptedModel(["Write it."])),
        coder_agent=CoderAgent(name="coder", model=model),
        termination_condition=TextMessageTermination("coder"),
    )
    assert spoken(left["result"])[-1] == ("coder", "It prints: Good day")
    assert "Good day" in model.requests[1].messages[-1].text


# --- 51 CoderAgent, 53 IntelligenceAgent, 55 business agents ------------------------------------------------------


def test_rows_51_and_53_the_names_are_those_of_the_specification() -> None:
    assert issubclass(AgentOperatingSystem.CoderAgent, PerpetualAgent)
    assert issubclass(AgentOperatingSystem.IntelligenceAgent, PurposeDrivenAgent)


def test_row_55_the_business_agents_of_the_example_say_who_they_are() -> None:
    ceo = boardroom.CEOAgent()
    assert (ceo.agent_id, ceo.purpose, ceo.adapter_name) == ("ceo", "Strategic oversight", "ceo")
    assert all(issubclass(each, PurposeDrivenAgent) for each in (boardroom.CFOAgent, boardroom.CTOAgent))


# --- 47 round robin, 49 members at run time -----------------------------------------------------------------------


def desk() -> AgentTeam:
    model = ScriptedModel(lambda request: "Yes.")
    agents = [PerpetualAgent(name=name, model=model) for name in ("one", "two", "three")]
    return AgentTeam(agents, termination_condition=conditions.messages(3), agent_id="desk")


async def test_rows_47_and_49_the_order_goes_on_after_a_restart_and_members_change_between_turns(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    for change in (None, None, {"name": "two"}):
        async with system(tmp_path, desk()) as aos:
            if change:
                await aos.process_event({"type": "team.leave", "agent": "desk", "data": change})
            result = await aos.process_event({"type": "said", "agent": "desk", "data": "Well?"})
            said += [message["source"] for message in result["messages"][1:]]
    assert said == ["one", "two", "three", "one", "three", "one"]
