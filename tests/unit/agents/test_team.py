"""AgentTeam: every kind goes on after a restart as in one run; it stops for the stated reason; members come and go."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.conditions import MaxMessageTermination

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.agents import AgentTeam, PerpetualAgent, conditions
from AgentOperatingSystem.agents.conditions import Condition
from AgentOperatingSystem.agents.rosters import fitted
from AgentOperatingSystem.errors import ConfigurationError, EventFailed, RateLimited
from AgentOperatingSystem.ml.records import ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import Late, ScriptedModel
from tests.unit.agents.minds import member, says, system, tell
from tests.unit.agents.teams import KINDS, made, team, undated

Told = list[tuple[str, str]]


def told(result: Any) -> Told:
    """Who said what, after the task."""
    return [(each["source"], each["text"]) for each in result["messages"]][1:]


# --- after a restart ------------------------------------------------------------------------------------------------

TASKS = ["one", "two", "three", "finish"]


async def ran(folder: Path, kind: str, tasks_per_host: int) -> tuple[list[Told], Any]:
    """What a team says to four tasks, with a new host (and a new team) after so many, and its state in the end."""
    said: list[Told] = []
    state: Any = None
    for begin in range(0, len(TASKS), tasks_per_host):
        async with system(folder, made(kind)) as aos:
            for task in TASKS[begin : begin + tasks_per_host]:
                said.append(told(await tell(aos, "team", task)))
            state = await aos.context_server("team").load_state()
    return said, undated(state)


@pytest.mark.parametrize("kind", KINDS)
async def test_conversation_and_speaker_order_go_on_after_restarts_as_in_one_run(tmp_path: Path, kind: str) -> None:
    undisturbed, state = await ran(tmp_path / "one", kind, 4)
    assert all(undisturbed)
    assert await ran(tmp_path / "two", kind, 2) == (undisturbed, state)
    assert await ran(tmp_path / "four", kind, 1) == (undisturbed, state)


async def test_round_robin_is_cyclic_across_events(tmp_path: Path) -> None:
    said, _ = await ran(tmp_path, "round_robin", 1)
    assert "".join(name for each in said for name, _ in each) == "abcabcab"


async def test_a_swarm_that_waits_for_the_user_goes_on_where_it_was(tmp_path: Path) -> None:
    said, _ = await ran(tmp_path, "swarm", 1)
    assert [name for name, _ in said[0]] == ["a", "b"]
    assert [name for name, _ in said[1]] == ["b"]
    assert said[3] == [("b", "all done")]


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "speakers", "reason"),
    [
        (conditions.messages(4), "abc", "Maximum number of messages 4"),
        (conditions.text("b heard"), "ab", "'b heard' mentioned"),
        (conditions.source("c"), "abc", "'c' answered"),
        (conditions.text_message("b"), "ab", "'b'"),
        (conditions.text("b heard") | conditions.messages(9), "ab", "'b heard' mentioned"),
        (conditions.text("b heard") & conditions.source("c"), "abc", "'c' answered"),
        (conditions.tokens(25), "abc", "Token usage limit reached"),
        (MaxMessageTermination(2), "a", "Maximum number of messages 2"),
    ],
)
async def test_it_stops_for_the_stated_reason_at_every_event(
    tmp_path: Path, until: Any, speakers: str, reason: str
) -> None:
    def counted(request: Any) -> ModelResponse:
        return ModelResponse(text=str(says(request)), usage=Usage(input_tokens=9, output_tokens=1))

    members = [member(name, ScriptedModel(counted)) for name in "abc"]
    async with system(tmp_path, AgentTeam(members, termination_condition=until, agent_id="team")) as aos:
        first = await tell(aos, "team", "Go.")
        assert "".join(name for name, _ in told(first)) == speakers
        assert reason in first["stop_reason"]
        assert (first["input_tokens"], first["output_tokens"]) == (9 * len(speakers), len(speakers))
        assert reason in (await tell(aos, "team", "Again."))["stop_reason"]


async def test_a_time_out_counts_from_each_event(tmp_path: Path) -> None:
    slow = ScriptedModel(lambda request: Late(0.06, "Still thinking."))
    until = conditions.timeout(0.1) | conditions.messages(50)
    async with system(tmp_path, AgentTeam([member("a", slow)], termination_condition=until, agent_id="team")) as aos:
        for _ in range(2):
            result = await tell(aos, "team", "Go.")
            assert "Timeout" in result["stop_reason"]
            assert len(told(result)) == 2
            await asyncio.sleep(0.12)


async def test_turns_max_alone_stops_it(tmp_path: Path) -> None:
    members = [member(name, ScriptedModel(says)) for name in "ab"]
    async with system(tmp_path, AgentTeam(members, turns_max=3, agent_id="team")) as aos:
        assert [name for name, _ in told(await tell(aos, "team", "Go."))] == ["a", "b", "a"]
        assert [name for name, _ in told(await tell(aos, "team", "Go."))] == ["b", "a", "b"]


async def test_a_condition_that_is_never_met_does_not_run_for_ever(tmp_path: Path) -> None:
    async with system(tmp_path, team(names="a", until=conditions.text("never said"))) as aos:
        assert (await tell(aos, "team", "Go."))["stop_reason"] == "Maximum number of turns 100 reached."


# --- failing --------------------------------------------------------------------------------------------------------


async def test_an_outage_in_the_middle_costs_no_answer_that_was_given_before(tmp_path: Path) -> None:
    model = ScriptedModel(["a1", RateLimited("slow down", 0.01), "b1", "a2", "b2"])
    members = [member(name, model) for name in "ab"]
    async with system(tmp_path, AgentTeam(members, turns_max=2, agent_id="team"), attempts_max=1) as aos:
        assert told(await tell(aos, "team", "Go.")) == [("a", "a1"), ("b", "b1")]
        assert told(await tell(aos, "team", "Go.")) == [("a", "a2"), ("b", "b2")]


async def test_a_team_that_takes_too_long_is_broken_off_and_works_on(tmp_path: Path) -> None:
    members = [member("a", ScriptedModel([Late(600, "late"), "a1"]))]
    async with system(
        tmp_path, AgentTeam(members, turns_max=1, agent_id="team"), turn_timeout_seconds=0.3, attempts_max=1
    ) as aos:
        async with asyncio.timeout(5):  # seconds: the call itself is broken off, nobody waits for it
            with pytest.raises(EventFailed, match="longer than"):
                await tell(aos, "team", "Go.")
        assert told(await tell(aos, "team", "Go.")) == [("a", "a1")]


# --- as an agent among agents ---------------------------------------------------------------------------------------


class Chair(BaseAgent):
    """Asks the team, and keeps its answer."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "aos.reply":
            self.state["answer"] = event.data
        else:
            await context.request("team", event.data)


async def test_it_is_woken_by_another_agents_request_and_answers_it(tmp_path: Path) -> None:
    async with system(tmp_path, team(), Chair) as aos:
        await tell(aos, "chair", "Go.")
        state: Any = None
        for _ in range(500):
            state = await aos.context_server("chair").load_state()
            if state:
                break
            await asyncio.sleep(0.01)
    assert state["answer"]["text"] == "b heard 2"


async def test_a_team_per_key_and_conversations_apart(tmp_path: Path) -> None:
    class Team(AgentTeam):
        def __init__(self) -> None:
            super().__init__([member("a", ScriptedModel(says))], turns_max=1)

    async with system(tmp_path, Team) as aos:
        assert told(await tell(aos, "team/x", "1")) == [("a", "a heard 1")]
        assert told(await tell(aos, "team/y", "1")) == [("a", "a heard 1")]
        assert told(await tell(aos, "team/x", "2")) == [("a", "a heard 3")]


# --- members come and go --------------------------------------------------------------------------------------------


async def test_members_join_and_leave_by_events_and_a_restart_knows_them(tmp_path: Path) -> None:
    async with system(tmp_path, team()) as aos:
        assert [name for name, _ in told(await tell(aos, "team", "one"))] == ["a", "b"]
        assert await tell(aos, "team", {"name": "c"}, "team.leave") == ["a", "b"]
        newcomer = {"name": "d", "system_message": "I am d."}
        assert await tell(aos, "team", newcomer, "team.join") == ["a", "b", "d"]
    async with system(tmp_path, team()) as aos:
        assert told(await tell(aos, "team", "two")) == [("a", "a heard 4"), ("b", "b heard 5")]
        assert told(await tell(aos, "team", "three")) == [("d", "d heard 7"), ("a", "a heard 8")]


async def test_the_turn_passes_to_whoever_was_next_and_is_still_there(tmp_path: Path) -> None:
    async with system(tmp_path, team()) as aos:
        await tell(aos, "team", "one")
        await tell(aos, "team", {"name": "a"}, "team.leave")
        assert [name for name, _ in told(await tell(aos, "team", "two"))] == ["c", "b"]


async def test_code_adds_and_removes_members_too(tmp_path: Path) -> None:
    changing = team()
    async with system(tmp_path, changing) as aos:
        await tell(aos, "team", "one")
        changing.remove_member("b")
        changing.add_member(member("z", ScriptedModel(says)))
        assert told(await tell(aos, "team", "two")) == [("c", "c heard 4"), ("z", "z heard 5")]
    with pytest.raises(ConfigurationError, match="must differ"):
        changing.add_member(member("z", ScriptedModel(says)))
    assert [each.name for each in changing.members] == ["a", "c", "z"]


async def test_a_swarm_goes_on_when_the_one_who_was_handed_to_has_left(tmp_path: Path) -> None:
    async with system(tmp_path, made("swarm")) as aos:
        await tell(aos, "team", "one")
        await tell(aos, "team", {"name": "b"}, "team.leave")
        await tell(aos, "team", {"name": "b", "system_message": "I am b.", "handoffs": ["user"]}, "team.join")
        assert [name for name, _ in told(await tell(aos, "team", "finish"))] == ["b"]


@pytest.mark.parametrize(
    ("type", "data", "message"),
    [
        ("team.leave", {"name": "nobody"}, "no member 'nobody'"),
        ("team.leave", {"name": "a"}, "last member"),
        ("team.join", {"name": "a"}, "a member already"),
        ("team.join", {"name": "not one"}, "identifiers"),
        ("team.join", {"system_message": "x"}, "name"),
        ("team.join", {"name": "d", "tools": ["rm"]}, "no tool 'rm'"),
    ],
)
async def test_a_wrong_change_fails_in_words(tmp_path: Path, type: str, data: Any, message: str) -> None:
    async with system(tmp_path, team(names="a")) as aos:
        with pytest.raises(EventFailed, match=message):
            await tell(aos, "team", data, type)
        assert told(await tell(aos, "team", "Go."))[0] == ("a", "a heard 1")


def test_a_state_of_the_same_members_is_left_alone() -> None:
    state: dict[str, Any] = {"agent_states": {}}
    assert fitted(state, ["a"], ["a"]) is state


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AgentTeam([PerpetualAgent()]), "never stop"),
        (lambda: AgentTeam([], turns_max=1), "1 or more members"),
        (lambda: AgentTeam([PerpetualAgent(), PerpetualAgent()], turns_max=1), "must differ"),
        (lambda: AgentTeam([PerpetualAgent()], turns_max=1, kind="selector"), "2 or more"),
        (lambda: AgentTeam([PerpetualAgent()], turns_max=1, kind="ring"), "none of round_robin"),  # type: ignore[arg-type]  # a mistake
        (lambda: AgentTeam([BaseAgent("a")], turns_max=1), "each a PerpetualAgent"),  # type: ignore[list-item]  # a mistake
    ],
)
def test_a_team_that_cannot_be_is_refused_at_once(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"until": "STOP"}, "no termination condition"),
        ({"kind": "selector", "options": {"x": 1}}, "unexpected keyword"),
    ],
)
async def test_what_autogen_would_refuse_is_said_in_words(tmp_path: Path, named: Any, message: str) -> None:
    async with system(tmp_path, team(**named), attempts_max=1) as aos:
        with pytest.raises(EventFailed, match=message):
            await tell(aos, "team", "Go.")


def test_conditions_are_values() -> None:
    assert conditions.text("x") | conditions.messages(1) == Condition(
        "either", parts=(conditions.text("x"), conditions.messages(1))
    )
