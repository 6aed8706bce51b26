"""A team's conversation is bounded: thousands of events cost what tens do, and calls stay with their results."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents.conversation import SUMMARY_LABEL
from AgentOperatingSystem.agents.summaries import EXTRACT_LABEL
from AgentOperatingSystem.agents.threads import bounded
from AgentOperatingSystem.ml.scripted import ScriptedModel
from tests.unit.agents.minds import says, system, tell
from tests.unit.agents.teams import KINDS, made, swarm, team


def said(number: int, source: str = "a", type: str = "TextMessage") -> dict[str, Any]:
    return {"type": type, "source": source, "content": f"{number} {source} says something of some length"}


def state(thread: list[Any], context: list[Any] | None = None) -> dict[str, Any]:
    member = {"agent_state": {"llm_context": {"messages": context or []}}, "message_buffer": []}
    return {"agent_states": {"a": member, "RoundRobinGroupChatManager": {"message_thread": thread, "current_turn": 7}}}


def thread_of(state: dict[str, Any]) -> Any:
    return state["agent_states"]["RoundRobinGroupChatManager"]["message_thread"]


def test_what_fits_is_the_very_same_object() -> None:
    short = state([said(1), said(2)])
    assert bounded(short, 1000) is short


def test_what_does_not_is_cut_and_an_extract_stands_for_it() -> None:
    thread = [said(number, "user" if number % 5 == 0 else "a") for number in range(100)]
    cut = bounded(state(thread), 400)
    first, *rest = thread_of(cut)
    assert rest == thread[-len(rest) :]
    assert rest[0]["source"] == "user"
    assert first["content"].startswith(SUMMARY_LABEL + EXTRACT_LABEL)
    assert cut["agent_states"]["RoundRobinGroupChatManager"]["current_turn"] == 7
    assert len(msgspec.json.encode(cut)) < 4 * 400 * 2
    longer = bounded(state([*thread_of(cut), *thread]), 400)
    assert thread_of(longer)[0]["content"].count(EXTRACT_LABEL) == 1


def test_a_member_s_calls_stay_with_their_results() -> None:
    context: list[dict[str, Any]] = []
    for number in range(40):
        call = {"id": f"c{number}", "name": "look", "arguments": "{}"}
        result = {"call_id": f"c{number}", "name": "look", "content": "x" * 50, "is_error": False}
        context += [
            {"type": "AssistantMessage", "source": "a", "content": [call]},
            {"type": "FunctionExecutionResultMessage", "content": [result]},
        ]
    kept = bounded(state([], context), 600)["agent_states"]["a"]["agent_state"]["llm_context"]["messages"]
    assert kept[0]["type"] == "UserMessage"
    assert [each["type"] for each in kept[1:]] == ["AssistantMessage", "FunctionExecutionResultMessage"] * (
        len(kept) // 2
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_team_goes_on_and_does_not_grow(tmp_path: Path, kind: Any) -> None:
    sizes: list[int] = []
    talking = made(kind)
    talking.conversation_tokens_max = 300
    async with system(tmp_path, talking) as aos:
        for number in range(60):
            assert (await tell(aos, "team", f"question {number} with some words in it"))["messages"]
            sizes.append(len(msgspec.json.encode(await aos.context_server("team").load_state())))
    assert max(sizes[30:]) < 1.25 * max(sizes[:30])


async def test_a_restart_does_not_change_what_a_bounded_team_says(tmp_path: Path) -> None:
    async def run(folder: Path, hosts: int) -> list[Any]:
        found: list[Any] = []
        for begin in range(0, 24, 24 // hosts):
            talking = team(model=ScriptedModel(says), conversation_tokens_max=200)
            async with system(folder, talking) as aos:
                found += [await tell(aos, "team", str(number)) for number in range(begin, begin + 24 // hosts)]
        return [[(each["source"], each["text"]) for each in result["messages"]] for result in found]

    assert await run(tmp_path / "one", 1) == await run(tmp_path / "many", 8)


async def test_a_swarm_knows_who_is_next_after_a_cut(tmp_path: Path) -> None:
    from tests.unit.agents.minds import hands_over

    talking = swarm(ScriptedModel(hands_over))
    talking.conversation_tokens_max = 100
    async with system(tmp_path, talking) as aos:
        for _ in range(12):
            result = await tell(aos, "team", "go on, please, with all of this")
            assert result["messages"][-1]["source"] == "b"
