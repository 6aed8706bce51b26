"""Proposals that contradict one another, and how an arbiter decides by its purpose: outcome and rationale are kept."""

from typing import Any, ClassVar

import msgspec
import pytest

from AgentOperatingSystem.agents.arbiter import ArbiterAgent, Proposal, Score, verdict
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.council import CouncilAgent
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
PURPOSE = "Keep the company solvent"


def thrift(request: ModelRequest) -> str:
    """Scores by what is spent."""
    proposal = msgspec.json.decode(request.messages[-1].text)["proposal"]
    score = {"spend": 10, "lend": 10, "save": 90}[proposal]
    return msgspec.json.encode({"score": score, "reason": f"To {proposal} is worth {score}."}).decode()


class Member(BaseAgent):
    """Proposes what its key says; one says nothing."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if context.agent.key == "silent":
            context.defer()
        return {"decision": context.agent.key, "reason": event.data}


class Council(CouncilAgent):
    """Of two."""

    members: ClassVar[tuple[str, ...]] = ("member/spend", "member/save")
    arbiter: ClassVar[str] = "judge"
    timeout_seconds: ClassVar[float] = 60.0


class Chair(BaseAgent):
    """Asks the council."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "aos.reply":
            self.state["heard"] = event.data
        else:
            await context.request("council", event.data, timeout_seconds=1000.0)


def council(*of: str) -> type[CouncilAgent]:
    class Made(Council):
        name = "council"
        members = tuple(f"member/{each}" for each in of)

    return Made


async def heard(model: ModelProvider, kind: type[CouncilAgent] = Council) -> tuple[System, dict[str, Any]]:
    """What the chair hears, and the system."""
    judge = ArbiterAgent(agent_id="judge", purpose=PURPOSE, model=model)
    system = await running(kind, Member, Chair, judge)
    await system.handle("chair", data="What now?")
    await passed(200)
    found: dict[str, Any] = (await system.state("chair"))["heard"]
    return system, found


async def memory(system: System, agent: str, prefix: str) -> list[Any]:
    page = await system.world.store.rows((await system.head(agent)).agent, "memory", prefix)
    return [msgspec.json.decode(row.value) for row in page.items if row.value is not None]


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "winner", "rationale"),
    [
        ((3, 7), "b", "b: 7 of 100: because"),
        ((7, 3), "a", "a: 7 of 100: because"),
        ((0, 0), None, "a, b are equal with 0 of 100: the purpose does not tell them apart"),
        ((7, None), None, "b's proposal has no score: because"),
    ],
)
def test_the_comparison(scores: tuple[int | None, ...], winner: str | None, rationale: str) -> None:
    proposals = (Proposal("a", 1), Proposal("b", 2))
    found, why = verdict(proposals, [Score(each, "because") for each in scores])
    assert (found.by if found else None, why) == (winner, rationale)


async def test_each_proposal_is_scored_alone_against_the_purpose() -> None:
    model = ScriptedModel(thrift)
    judge = ArbiterAgent(agent_id="judge", purpose=PURPOSE, model=model)
    assert await judge.score("What now?", "save") == Score(90, "To save is worth 90.")
    (request,) = model.requests
    assert PURPOSE in request.messages[0].text
    assert msgspec.json.decode(request.messages[-1].text) == {"question": "What now?", "proposal": "save"}


def scored(*scores: int) -> ScriptedModel:
    return ScriptedModel([msgspec.json.encode({"score": each, "reason": "x"}).decode() for each in scores])


async def test_a_score_that_cannot_be_one_is_asked_for_once_more() -> None:
    judge = ArbiterAgent(agent_id="judge", purpose=PURPOSE, model=scored(101, 10, -1, 101))
    assert await judge.score("?", 1) == Score(10, "x")
    assert await judge.score("?", 2) == Score(None, "no verdict: 101 is no score from 0 to 100")


@pytest.mark.parametrize("data", [None, "x", {"question": 1}, {"question": 1, "proposals": []}])
async def test_what_is_no_dispute_fails(data: Any) -> None:
    system = await running(ArbiterAgent(agent_id="judge", purpose=PURPOSE, model=OfflineModel()))
    row = await system.handle("judge", data=data)
    assert row.status is Status.FAILED
    assert "an arbiter is asked" in row.reason


# --- the council ------------------------------------------------------------------------------------------------------


async def test_contradictory_proposals_are_decided_by_purpose_and_kept_with_the_rationale() -> None:
    system, found = await heard(ScriptedModel(thrift))
    assert found == {
        "question": "What now?",
        "outcome": "save",
        "decided_by": "arbiter",
        "rationale": "member/save: 90 of 100: To save is worth 90.",
        "proposals": {"member/spend": "spend", "member/save": "save"},
        "silent": [],
    }
    assert await memory(system, "council", "outcome/") == [found]
    (record,) = await memory(system, "judge", "decision/")
    assert (record["kind"], record["purpose"], record["reason"]) == ("arbitration", PURPOSE, found["rationale"])
    assert record["action"]["scores"] == [
        {"by": "member/spend", "score": 10, "reason": "To spend is worth 10."},
        {"by": "member/save", "score": 90, "reason": "To save is worth 90."},
    ]
    assert await system.state("council") == {}


async def test_an_agreement_needs_no_arbiter() -> None:
    system, found = await heard(ScriptedModel([]), council("save/1", "save/1"))
    assert (found["outcome"], found["decided_by"]) == ("save/1", "agreement")
    assert await system.rows("judge") == {}


async def test_without_a_model_there_is_no_verdict() -> None:
    _, found = await heard(OfflineModel())
    assert (found["outcome"], found["decided_by"]) == (None, "nobody")
    assert "no score: no verdict: No model is configured" in found["rationale"]


async def test_a_model_that_declines_gives_no_verdict() -> None:
    declines = ScriptedModel(lambda request: ModelResponse(text="I would rather not.", finish_reason="refusal"))
    _, found = await heard(declines)
    assert (found["outcome"], found["rationale"]) == (
        None,
        "member/spend's proposal has no score: no verdict: I would rather not.",
    )


async def test_equal_proposals_are_not_decided() -> None:
    _, found = await heard(ScriptedModel(thrift), council("spend", "lend"))
    assert (found["outcome"], found["decided_by"]) == (None, "nobody")
    assert "are equal with 10 of 100" in found["rationale"]


async def test_who_is_silent_is_named_and_holds_nobody_up() -> None:
    _, found = await heard(ScriptedModel([]), council("save", "silent"))
    assert (found["outcome"], found["decided_by"], found["silent"]) == ("save", "agreement", ["member/silent"])
    _, found = await heard(ScriptedModel([]), council("silent"))
    assert (found["outcome"], found["rationale"]) == (None, "no member made a proposal")


async def test_it_goes_on_after_a_restart() -> None:
    judge = ArbiterAgent(agent_id="judge", purpose=PURPOSE, model=ScriptedModel(thrift))
    system = await running(Council, Member, Chair, judge)
    for _ in range(6):
        await system.send("chair", data="What now?")
        await system.crash()
        system = await running(Council, Member, Chair, judge, world=system.world)
    await passed(500)
    outcomes = await memory(system, "council", "outcome/")
    assert [each["outcome"] for each in outcomes] == ["save"] * 6
    assert await system.state("council") == {}


async def test_a_council_of_nobody_says_so() -> None:
    with pytest.raises(ConfigurationError, match="needs members and an arbiter"):
        await CouncilAgent(agent_id="c").on_event(Event(type="t"), None)  # type: ignore[arg-type]  # it is not looked at
