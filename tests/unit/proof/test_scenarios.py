"""The loads: who is woken, how often, and how many at a time."""

import pytest

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.bench.scenarios import ALL, FEW_SLEEPERS, scenarios, scenarios_named


def test_the_loads_are_those_of_the_canonical_work() -> None:
    assert {each.name: (each.agents, each.in_flight) for each in scenarios()} == {
        "many": (100, 64),
        "hot": (1, 64),
        "single": (1, 1),
        "sleeping_few": (1_000, 1),
        "sleeping": (1_000_000, 1),
        "team": (1, 1),
        "teams": (16, 16),
        "steps": (1, 1),
        "steps_team": (1, 1),
        "runaways": (1, 1),
        "import": (1, 1),
    }


@pytest.mark.parametrize("sleepers", [1_000, 1_000_000])
def test_no_sleeping_agent_is_woken_twice(sleepers: int) -> None:
    (sleeping,) = scenarios_named(["sleeping"], sleepers)[1:]
    warming, measuring = sleeping.planned(100_000)
    woken = [sent.agent_number for sent in sleeping.stream(warming + measuring)]
    assert len(set(woken)) == len(woken) <= FEW_SLEEPERS
    assert max(woken) - min(woken) > 0.9 * sleepers


def test_a_conversation_ends_and_a_new_one_takes_its_place() -> None:
    team, teams = scenarios_named(["team", "teams"], 10)
    assert [sent.agent_number for sent in team.stream(41)] == [0] * 20 + [1] * 20 + [2]
    handed = [sent.agent_number for sent in teams.stream(16 * 20 + 17)]
    assert handed == [*range(16)] * 20 + [*range(16, 32)] + [16]


def test_every_caller_is_warm_before_anything_is_measured() -> None:
    planned = {each.name: each.planned(20_000) for each in scenarios()}
    assert planned["many"] == (200, 20_000)
    assert planned["sleeping"] == (200, 800)
    assert planned["import"] == (1, 20_000)
    assert scenarios()[0].planned(10) == (100, 10)


def test_scenarios_are_chosen_by_name_in_their_own_order() -> None:
    assert [each.name for each in scenarios_named(["hot", "many"], 10)] == ["many", "hot"]
    assert tuple(each.name for each in scenarios_named([], 10)) == ALL


def test_sleeping_brings_what_it_is_measured_against() -> None:
    assert [(each.name, each.agents) for each in scenarios_named(["sleeping"], 5_000)] == [
        ("sleeping_few", 1_000),
        ("sleeping", 5_000),
    ]


def test_steps_bring_the_team_that_makes_some() -> None:
    assert [each.name for each in scenarios_named(["steps"], 10)] == ["steps", "steps_team"]


def test_an_unknown_scenario_is_named_beside_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"no scenario loud; there are many, hot"):
        scenarios_named(["loud"], 10)
