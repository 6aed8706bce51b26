"""IntelligenceAgent: options, evidence and a conclusion, kept as a rationale; and none that nobody thought."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents import IntelligenceAgent
from AgentOperatingSystem.errors import EventFailed, MalformedAnswer, RateLimited
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.tools.base import Tool
from tests.unit.agents.minds import system, tell

QUESTION = "Stay or move?"


def analysis(source: str = "question", option: str = "stay") -> dict[str, Any]:
    return {
        "options": [
            {"name": "stay", "strengths": ["cheap"], "weaknesses": []},
            {"name": "move", "strengths": [], "weaknesses": ["dear"]},
        ],
        "evidence": [{"claim": "Rent is low.", "source": source, "option": "stay", "bearing": "for"}],
        "conclusion": {"option": option, "reason": "It is cheap.", "confidence": "medium"},
    }


def written(*args: Any) -> str:
    return msgspec.json.encode(analysis(*args)).decode()


def verdict(aligned: bool) -> str:
    return msgspec.json.encode({"aligned": aligned, "reason": "So it is."}).decode()


def rent(city: str) -> int:
    """The rent in a city."""
    return {"Ulm": 900}[city]


def analyst(answers: Any, **named: Any) -> IntelligenceAgent:
    return IntelligenceAgent("analyst", model=ScriptedModel(answers), **named)


async def rows(aos: Any) -> dict[str, Any]:
    found: dict[str, Any] = await aos.context_server("analyst").recall_prefix("rationale/", 100)
    return found


async def test_the_rationale_is_the_result_and_a_row_with_event_and_time(tmp_path: Path) -> None:
    async with system(tmp_path, analyst([written(), verdict(True)])) as aos:
        told = await tell(aos, "analyst", QUESTION, id="e1")
    async with system(tmp_path, analyst([])) as aos:
        ((key, row),) = (await rows(aos)).items()
        (decision,) = (await aos.context_server("analyst").recall_prefix("decision/", 10)).values()
    assert row == told
    assert {name: told[name] for name in analysis()} == analysis()
    assert (told["event"], told["question"], told["aligned"], told["findings"]) == ("e1", QUESTION, True, [])
    assert key == f"rationale/{told['at']:017.6f}/e1"
    assert told["at"] > 1_700_000_000
    assert (decision["kind"], decision["action"]["rationale"], decision["aligned"]) == ("analysis", key, True)


async def test_each_event_has_its_row_and_they_are_listed_in_order(tmp_path: Path) -> None:
    answers = [written(), verdict(True), written("general knowledge", "move"), verdict(True)]
    async with system(tmp_path, analyst(answers)) as aos:
        await tell(aos, "analyst", "one", id="z")
        await tell(aos, "analyst", "two", id="a")
        listed = list((await rows(aos)).values())
    assert [(row["question"], row["conclusion"]["option"]) for row in listed] == [("one", "stay"), ("two", "move")]


async def test_evidence_cites_what_the_tools_answered(tmp_path: Path) -> None:
    gathered = [ToolCall("1", "rent", {"city": "Ulm"}), ToolCall("2", "rent", {"city": "Nowhere"}), "Gathered."]
    answers = [gathered[0], verdict(True), gathered[1], verdict(True), gathered[2], written("T1"), verdict(True)]
    agent = analyst(answers, tools=[rent])
    async with system(tmp_path, agent) as aos:
        told = await tell(aos, "analyst", QUESTION)
    first, second = told["findings"]
    assert first == {"label": "T1", "tool": "rent", "arguments": {"city": "Ulm"}, "content": "900", "is_error": False}
    assert (second["label"], second["is_error"]) == ("T2", True)
    assert told["evidence"][0]["source"] == "T1"
    asked = agent.model.requests[-2]  # type: ignore[union-attr]  # it is the scripted one
    assert msgspec.json.decode(asked.messages[-1].text) == {"question": QUESTION, "findings": told["findings"]}
    assert agent.model.requests[2].messages[-1].text == "900"  # type: ignore[union-attr]  # it is the scripted one


async def test_what_was_found_before_a_failed_try_is_found_again_and_not_looked_up_twice(tmp_path: Path) -> None:
    looked: list[str] = []

    def look_up(what: str) -> str:
        """Looks something up."""
        looked.append(what)
        return f"{what} is cheap"

    call = ToolCall("1", "look_up", {"what": "staying"})
    answers = [call, verdict(True), "Gathered.", RateLimited("slow down", 0.01), written("T1"), verdict(True)]
    async with system(tmp_path, analyst(answers, tools=[look_up])) as aos:
        told = await tell(aos, "analyst", QUESTION)
    assert [found["content"] for found in told["findings"]] == ["staying is cheap"]
    assert looked == ["staying"]


@pytest.mark.parametrize(
    ("malformed", "said"),
    [
        (written("T1"), "$.evidence[0].source"),
        (written("question", "fly"), "'fly', which is none of its options"),
        ("Stay.", "not JSON"),
        (msgspec.json.encode(analysis() | {"options": []}).decode(), "needs options"),
    ],
)
async def test_what_does_not_fit_is_asked_for_once_more_with_the_error(malformed: str, said: str) -> None:
    agent = analyst([malformed, written()])
    assert msgspec.to_builtins(await agent.analyse(QUESTION)) == analysis()
    again = agent.model.requests[1].messages[-1].text  # type: ignore[union-attr]  # it is the scripted one
    assert again.startswith("Your last answer was refused: ")
    assert said in again


async def test_the_second_one_that_does_not_fit_is_an_error_and_nothing_is_kept(tmp_path: Path) -> None:
    agent = analyst(["Stay.", "Really."])
    with pytest.raises(MalformedAnswer):
        await agent.analyse(QUESTION)
    async with system(tmp_path, analyst(lambda _: "Stay."), attempts_max=1) as aos:
        with pytest.raises(EventFailed, match="not JSON"):
            await tell(aos, "analyst", QUESTION)
        assert await rows(aos) == {}


async def test_offline_there_is_no_conclusion_and_no_row(tmp_path: Path) -> None:
    async with system(tmp_path, IntelligenceAgent("analyst", tools=[rent])) as aos:
        told = await tell(aos, "analyst", QUESTION)
        assert await rows(aos) == {}
    assert (told["conclusion"], told["options"], told["aligned"]) == (None, [], None)
    assert "No model is configured" in told["reason"]


async def test_where_the_model_declines_there_is_none_either(tmp_path: Path) -> None:
    declined = ModelResponse(text="I would rather not.", finish_reason="refusal")
    async with system(tmp_path, analyst([declined])) as aos:
        told = await tell(aos, "analyst", QUESTION)
        assert await rows(aos) == {}
    assert (told["conclusion"], told["reason"]) == (None, "I would rather not.")


async def test_a_conclusion_against_the_purpose_is_withheld_and_stands_in_the_row(tmp_path: Path) -> None:
    agent = analyst([written(), verdict(False)], purpose="Grow at any price")
    async with system(tmp_path, agent) as aos:
        told = await tell(aos, "analyst", QUESTION)
        (row,) = (await rows(aos)).values()
    assert (told["conclusion"], told["aligned"], told["blocked"]) == (None, False, True)
    assert (row["conclusion"]["option"], row["aligned"], row["purpose"]) == ("stay", False, "Grow at any price")


async def test_a_tool_with_a_class_of_its_own_is_noted_too() -> None:
    class Shout(Tool):
        """Shouts."""

        def run(self, text: str) -> str:
            """Shouts a text."""
            return text.upper()

    def model(request: ModelRequest) -> Answer:
        if request.json_schema is None:
            return "Gathered." if request.messages[-1].role == "tool" else ToolCall("1", "shout", {"text": "hey"})
        return verdict(True) if request.json_schema.name == "alignment" else written("T1")

    findings: list[Any] = []
    await analyst(model, tools=[Shout()]).analyse(QUESTION, findings)
    assert [(found.tool, found.content) for found in findings] == [("shout", "HEY")]
