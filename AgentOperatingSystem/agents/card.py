"""An agent's card: what it is for, can do and may do, read from its code (specification row 66).

`api/cards.py` asks for it and adds where the agent is reached and what it has scheduled; `markdown` writes it for
people. Names are those of A2A's agent card (a2a-protocol.org) where it has one: `name`, `description`, `version`,
`url`, `skills` with `id`, `name`, `description` and `tags`, and the default modes. Prompts and keys are not in it.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.minds import name_of
from AgentOperatingSystem.agents.roles import Role
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import Effect

MODES = ("application/json", "text/plain")


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be asked of the agent: a declared capability, an action, or a tool."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    """`capability`, `action`, or `tool` and its effect."""


class CardTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that its model may call."""

    name: str
    description: str
    effect: str
    """What a second call would do: `pure`, `idempotent`, `verify`, `at_most_once`."""
    parameters: dict[str, Any]
    """JSON schema."""


class CardMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a team, or somebody to whom it gives work."""

    name: str
    role: str = ""
    description: str = ""
    tools: tuple[str, ...] = ()


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """How it is run, and what it may do."""

    ordering: str
    restart: str
    attempts_max: int
    turn_timeout_seconds: float
    role: Role | None
    misaligned: str
    """What becomes of actions that do not serve the purpose: `block`, `flag`; empty without a purpose."""


class AgentCard(msgspec.Struct, frozen=True, kw_only=True):
    """The card."""

    name: str
    description: str
    version: str
    url: str
    default_input_modes: tuple[str, ...]
    default_output_modes: tuple[str, ...]
    skills: tuple[Skill, ...]
    agent: str
    """Its address: `name` or `name/key`."""
    kind: str
    """`module.Class`."""
    purpose: str
    capabilities: tuple[str, ...]
    subscriptions: tuple[str, ...]
    groups: tuple[str, ...]
    tools: tuple[CardTool, ...]
    members: tuple[CardMember, ...]
    policies: Policies
    state_type: str
    state_schema: int
    schedules: tuple[dict[str, Any], ...]


def card_of(
    agent: BaseAgent,
    *,
    turn_timeout_seconds: float,
    attempts_max: int,
    url: str = "",
    schedules: Iterable[Mapping[str, Any]] = (),
) -> AgentCard:
    """The card of an agent object; the limits are the system's, for what the agent does not say.

    Raises `ConfigurationError` where one of its tools is not well formed.
    """
    kind, tools = type(agent), _tools(agent)
    return AgentCard(
        name=agent.name,
        description=_description(agent),
        version=agent.version,
        url=url,
        default_input_modes=MODES,
        default_output_modes=MODES,
        skills=(*_capabilities(agent), *_actions(agent), *(_skill_of(tool) for tool in tools)),
        agent=agent.agent_id,
        kind=f"{kind.__module__}.{kind.__qualname__}",
        purpose=getattr(agent, "purpose", ""),
        capabilities=tuple(agent.capabilities),
        subscriptions=tuple(kind.subscriptions),
        groups=tuple(kind.groups),
        tools=tools,
        members=_members(agent),
        policies=Policies(
            ordering=kind.ordering,
            restart=kind.restart.mode,
            attempts_max=kind.restart.attempts_max or attempts_max,
            turn_timeout_seconds=kind.turn_timeout_seconds or turn_timeout_seconds,
            role=agent.role,
            misaligned=getattr(agent, "misaligned", ""),
        ),
        state_type=kind.state_type.__name__ if kind.state_type is not None else "dict",
        state_schema=kind.schema,
        schedules=tuple(dict(each) for each in schedules),
    )


def markdown(card: AgentCard) -> str:
    """The card as a page."""
    policies = card.policies
    facts = {
        "Purpose": card.purpose,
        "Address": f"`{card.agent}`",
        "Class": f"`{card.kind}`",
        "Capabilities": ", ".join(card.capabilities),
        "Subscribes to": _coded(card.subscriptions),
        "Groups": ", ".join(card.groups),
        "Role": _role_line(policies.role),
        "Order of events": policies.ordering,
        "When a handler crashes": f"{policies.restart}, at most {policies.attempts_max} attempts",
        "Time for one event": f"{policies.turn_timeout_seconds:g} s",
        "Actions against the purpose": {"block": "blocked", "flag": "flagged"}.get(policies.misaligned, ""),
        "State": f"`{card.state_type}`, schema {card.state_schema}",
    }
    lines = [f"# {card.name} {card.version}", "", card.description, ""] if card.description else [f"# {card.name}", ""]
    lines += [f"* **{name}:** {_line(value)}" for name, value in facts.items() if value]
    lines += _table(
        "Tools", ("tool", "effect", "what it does"), ((t.name, t.effect, t.description) for t in card.tools)
    )
    lines += _table(
        "Members",
        ("member", "role", "tools", "what it does"),
        ((each.name, each.role, _coded(each.tools), each.description) for each in card.members),
    )
    actions = [skill for skill in card.skills if "action" in skill.tags]
    lines += _table("Actions", ("action", "what it does"), ((each.name, each.description) for each in actions))
    lines += _table(
        "Schedules",
        ("schedule", "when", "event"),
        ((each["name"], each.get("cron") or each.get("due"), each["type"]) for each in card.schedules),
    )
    return "\n".join(lines) + "\n"


# --- what it is read from -------------------------------------------------------------------------------------


def _description(agent: BaseAgent) -> str:
    """What the agent says of itself, or its class's docstring."""
    said = vars(agent).get("description") or vars(type(agent)).get("description")
    return said if isinstance(said, str) and said else inspect.cleandoc(vars(type(agent)).get("__doc__") or "")


def _tools(agent: Any) -> tuple[CardTool, ...]:
    found = getattr(agent, "tools", ())
    return tuple(_tool(each) for each in found) if isinstance(found, Iterable) else ()


def _tool(tool: Any) -> CardTool:
    """One of ours, another library's with a `schema`, or a function. What says nothing of its effect is taken for the
    worst.
    """
    record = getattr(tool, "record", None)
    if record is None and isinstance(getattr(tool, "schema", None), Mapping):
        schema = tool.schema
        return CardTool(
            name=schema["name"],
            description=schema.get("description", ""),
            effect=Effect.AT_MOST_ONCE.value,
            parameters=dict(schema.get("parameters") or {}),
        )
    record = record or FunctionTool(tool).record
    return CardTool(
        name=record.name, description=record.description, effect=record.effect.value, parameters=record.parameters
    )


def _skill_of(tool: CardTool) -> Skill:
    return Skill(id=f"tool.{tool.name}", name=tool.name, description=tool.description, tags=("tool", tool.effect))


def _capabilities(agent: BaseAgent) -> list[Skill]:
    return [Skill(id=each, name=each, description="", tags=("capability",)) for each in agent.capabilities]


def _actions(agent: BaseAgent) -> list[Skill]:
    declared = type(agent).declared_actions.values()
    return [Skill(id=each.type, name=each.name, description=each.description, tags=("action",)) for each in declared]


def _members(agent: Any) -> tuple[CardMember, ...]:
    """A team's members, or the addresses to which an agent gives work."""
    found = [*(getattr(agent, "members", None) or ()), *filter(None, [getattr(agent, "arbiter", None)])]
    return tuple(CardMember(name=each) if isinstance(each, str) else _member(each) for each in found)


def _member(member: Any) -> CardMember:
    return CardMember(
        name=member.name,
        role=member.role.name if member.role is not None else "",
        description=member.description,
        tools=tuple(name_of(tool) for tool in member.tools),
    )


# --- how it is written ----------------------------------------------------------------------------------------


def _role_line(role: Role | None) -> str:
    if role is None:
        return ""
    tools = "every tool it has" if role.tools is None else _coded(role.tools) or "no tool"
    others = "everybody" if role.addresses is None else _coded(role.addresses) or "nobody"
    return f"{role.name}; {'speaks' if role.speaks else 'does not speak'}; may use {tools}; may address {others}"


def _table(title: str, headings: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    written = [f"| {' | '.join(_line(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    if not written:
        return []
    return ["", f"## {title}", "", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|", *written]


def _coded(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())
