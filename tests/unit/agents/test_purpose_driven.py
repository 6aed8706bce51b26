"""PurposeDrivenAgent: the purpose in the prompt, in each record, and in the verdict that an action gets."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import AgentOperatingSystem
from AgentOperatingSystem.agents import PurposeDrivenAgent
from AgentOperatingSystem.agents.purpose_driven_agent import Verdict
from AgentOperatingSystem.errors import ConfigurationError, RateLimited, UnsupportedRequest
from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import Capabilities, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from tests.unit.agents.minds import system, tell

PURPOSE = "Keep the company solvent"


def verdict(aligned: bool, reason: str) -> str:
    return msgspec.json.encode({"aligned": aligned, "reason": reason}).decode()


def cautious(request: ModelRequest) -> Answer:
    """Proposes what it is asked, and judges that spending is against the purpose."""
    last = request.messages[-1].text
    if request.json_schema is None:
        return f"Let us {last}."
    return verdict(False, "It spends.") if "spend" in last else verdict(True, "It saves.")


def cfo(model: Any, kind: type[PurposeDrivenAgent] = PurposeDrivenAgent, **named: Any) -> PurposeDrivenAgent:
    return kind(agent_id="cfo", purpose=PURPOSE, adapter_name="cfo-lora", model=model, **named)


async def decisions(aos: AgentOperatingSystem) -> list[dict[str, Any]]:
    return list((await aos.context_server("cfo").recall_prefix("decision/", 100)).values())


async def test_both_verdicts_with_their_reasons_and_a_misaligned_decision_is_withheld(tmp_path: Path) -> None:
    async with system(tmp_path, cfo(ScriptedModel(cautious))) as aos:
        good = await tell(aos, "cfo", "save")
        bad = await tell(aos, "cfo", "spend")
    assert good == {
        "agent": "cfo",
        "purpose": PURPOSE,
        "decision": "Let us save.",
        "aligned": True,
        "reason": "It saves.",
        "blocked": False,
    }
    assert (bad["decision"], bad["aligned"], bad["reason"], bad["blocked"]) == (None, False, "It spends.", True)


async def test_the_purpose_is_in_the_prompt_and_in_the_judgement() -> None:
    model = ScriptedModel(["Yes.", verdict(True, "Fine.")])
    agent = cfo(model)
    assert await agent.think("Well?") == "Yes."
    assert await agent.judge("Yes.") == Verdict(True, "Fine.")
    assert all(PURPOSE in request.messages[0].text for request in model.requests)


async def test_each_decision_is_recorded_with_the_purpose_and_stays_after_a_restart(tmp_path: Path) -> None:
    async with system(tmp_path, cfo(ScriptedModel(cautious))) as aos:
        await tell(aos, "cfo", "save", id="e1")
        await tell(aos, "cfo", "spend", id="e2")
    async with system(tmp_path, cfo(ScriptedModel(cautious))) as aos:
        first, second = await decisions(aos)
    assert (first["event"], first["action"], first["blocked"]) == ("e1", "Let us save.", False)
    assert (second["event"], second["action"], second["aligned"]) == ("e2", "Let us spend.", False)
    assert {each["purpose"] for each in (first, second)} == {PURPOSE}
    assert {each["adapter"] for each in (first, second)} == {"cfo-lora"}


async def test_flagged_instead_of_blocked(tmp_path: Path) -> None:
    class Flagging(PurposeDrivenAgent):
        misaligned = "flag"

    async with system(tmp_path, cfo(ScriptedModel(cautious), Flagging)) as aos:
        told = await tell(aos, "cfo", "spend")
    assert (told["decision"], told["aligned"], told["blocked"]) == ("Let us spend.", False, False)


PAID: list[int] = []


def pay(amount: int) -> str:
    """Pays."""
    PAID.append(amount)
    return "paid"


def paying(request: ModelRequest) -> Answer:
    """Pays twice, then tells how that went; more than 10 is against the purpose."""
    if request.json_schema is not None:
        return verdict("1000" not in request.messages[-1].text, "The amount decides.")
    results = [message for message in request.messages if message.role == "tool"]
    if results:
        return "; ".join(f"{message.failed} {message.text}" for message in results)
    return (ToolCall("1", "pay", {"amount": 5}), ToolCall("2", "pay", {"amount": 1000}))


async def test_a_misaligned_call_of_a_tool_is_not_made_and_the_model_is_told(tmp_path: Path) -> None:
    PAID.clear()
    async with system(tmp_path, cfo(ScriptedModel(paying), tools=[pay])) as aos:
        told = await tell(aos, "cfo", "Pay them.")
        records = await decisions(aos)
    assert PAID == [5]
    assert "False paid" in told["decision"]
    assert "pay was not called: The amount decides." in told["decision"]
    calls = {each["action"]["arguments"]["amount"]: each["blocked"] for each in records if each["kind"] == "tool"}
    assert calls == {5: False, 1000: True}


async def test_a_call_that_nobody_could_judge_is_not_made(tmp_path: Path) -> None:
    PAID.clear()

    def declining(request: ModelRequest) -> Answer:
        if request.json_schema is not None:
            return ModelResponse(text="I will not say.", finish_reason="refusal")
        return paying(request)

    async with system(tmp_path, cfo(ScriptedModel(declining), tools=[pay])) as aos:
        told = await tell(aos, "cfo", "Pay them.")
    assert PAID == []
    assert (told["aligned"], told["blocked"]) == (None, False)
    assert told["reason"] == "no verdict: I will not say."


async def test_offline_there_is_no_verdict_and_it_says_why(tmp_path: Path) -> None:
    async with system(tmp_path, cfo("")) as aos:
        told = await tell(aos, "cfo", "spend")
        (record,) = await decisions(aos)
    assert told["decision"].startswith("No model is configured")
    assert (told["aligned"], record["aligned"]) == (None, None)
    assert told["reason"].startswith("no verdict: No model is configured")


async def test_a_judge_that_is_busy_is_asked_again_and_one_decision_is_kept(tmp_path: Path) -> None:
    model = ScriptedModel(["Save.", RateLimited("slow down", 0.01), verdict(True, "It saves.")])
    async with system(tmp_path, cfo(model)) as aos:
        assert (await tell(aos, "cfo", "?"))["decision"] == "Save."
        assert len(await decisions(aos)) == 1


def test_a_purpose_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="purpose="):
        PurposeDrivenAgent(agent_id="ceo")


async def test_every_call_asks_for_its_adapter_where_the_model_serves_adapters() -> None:
    model = ScriptedModel(["Yes.", verdict(True, "Fine.")])
    agent = cfo(model)
    await agent.think("Well?")
    await agent.judge("Yes.")
    assert [request.adapter for request in model.requests] == ["cfo-lora", "cfo-lora"]
    assert agent.adapter_in_use() == "cfo-lora"


async def test_a_model_without_adapters_answers_as_it_is_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel(["Yes.", verdict(True, "Fine.")], capabilities=Capabilities())
    agent = cfo(model)
    await agent.think("Well?")
    await agent.judge("Yes.")
    assert [request.adapter for request in model.requests] == ["", ""]
    assert agent.adapter_in_use() == ""
    assert [record.getMessage() for record in caplog.records] == [
        "cfo: its adapter 'cfo-lora' is not used: scripted/script serves no adapters; azureml/..., vllm/... and "
        "compatible/... do (docs/gpu.md)"
    ]


async def test_an_adapter_makes_it_another_step() -> None:
    question = ModelRequest.ask("Well?")
    assert request_hash(question) != request_hash(msgspec.structs.replace(question, adapter="cfo-lora"))
    with pytest.raises(UnsupportedRequest, match="adapters \\(adapter 'cfo-lora'\\)"):
        await ScriptedModel([], capabilities=Capabilities()).complete(ModelRequest.ask("?", adapter="cfo-lora"))
