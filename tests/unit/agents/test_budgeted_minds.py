"""Teams within a budget: AutoGen's own loop stops where a call has no room, and goes on when it has."""

from functools import partial
from pathlib import Path
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, Budget, Limits
from AgentOperatingSystem.agents import AgentTeam, conditions
from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.records import EventRow
from tests.unit.agents.minds import member, says, system
from tests.waiting import until


class Team(AgentTeam):
    """Its members never come to an end by themselves."""

    budget = Budget(total=Limits(model_calls=4))


def endless(model: ScriptedModel) -> AgentTeam:
    members = [member(name, model) for name in "ab"]
    return Team(members, termination_condition=conditions.messages(9), kind="round_robin", agent_id="team", model=model)


async def the_row(aos: AgentOperatingSystem) -> EventRow | None:
    return next((row for row in (await aos.parts.store.events(aos.address("team"))).items if row.event.id == "1"), None)


def is_now(status: str, row: Any) -> bool:
    return row is not None and row.status == status


async def test_a_team_waits_at_its_limit_and_goes_on_with_what_was_said(tmp_path: Path) -> None:
    model = ScriptedModel(says)
    async with system(tmp_path, endless(model)) as aos:
        await aos.accept_event({"id": "1", "type": "said", "agent": "team", "data": "begin"})
        await until(partial(the_row, aos), partial(is_now, "waiting"))
        assert len(model.requests) == 4
        assert await aos.budgets.raise_limit("agent", "team", "total", Amounts(model_calls=10), "default") == 1
        await until(partial(the_row, aos), partial(is_now, "done"))
        said = len(model.requests)
        assert 4 < said <= 9  # nothing was asked twice
