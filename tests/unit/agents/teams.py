"""Teams of every kind for the tests, and their states without what differs at every run."""

from typing import Any

from AgentOperatingSystem.agents import AgentTeam, conditions
from AgentOperatingSystem.ml.scripted import ScriptedModel
from tests.unit.agents.minds import hands_over, member, says

KINDS = ("round_robin", "selector", "swarm", "magentic_one")


def made(kind: Any, model: ScriptedModel | None = None) -> AgentTeam:
    """A team of this kind, named `team`."""
    if kind == "swarm":
        return swarm(model or ScriptedModel(hands_over))
    until = conditions.messages(40 if kind == "magentic_one" else 3)
    return team(kind, until=until, model=model)


def team(
    kind: Any = "round_robin", names: str = "abc", until: Any = None, model: ScriptedModel | None = None, **named: Any
) -> AgentTeam:
    """A team whose members answer by what they have heard."""
    model = model or ScriptedModel(says)
    members = [member(name, model) for name in names]
    until = until or conditions.messages(3)
    return AgentTeam(members, termination_condition=until, kind=kind, agent_id="team", model=model, **named)


def swarm(model: ScriptedModel) -> AgentTeam:
    """`a` hands over to `b`, who hands over to the user."""
    members = [member("a", model, handoffs=["b"]), member("b", model, handoffs=["user"])]
    until = conditions.handoff("user") | conditions.text("all done")
    return AgentTeam(members, termination_condition=until, kind="swarm", agent_id="team", model=model)


def undated(value: Any) -> Any:
    """A state without what differs at every run: identifiers and times of messages."""
    if isinstance(value, dict):
        return {key: undated(each) for key, each in value.items() if key not in ("id", "created_at")}
    return [undated(each) for each in value] if isinstance(value, list) else value
