"""Roles: what an agent may do as the one that it is: speak, use which tools, address whom (specification row 50).

A role is a plain record, given as `role=` to an agent. It is told to the model, stands beside each message of a team,
and is policy: agents and teams that contradict it cannot be made, a tool outside of it is not called, and an event
to somebody outside of it is not sent.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, Terminal
from AgentOperatingSystem.ids import AgentId

Guard = Callable[[str, dict[str, Any]], Awaitable[str]]
"""As `minds.Guard`."""


class RoleViolation(Terminal):
    """An agent tried what its role does not allow; it was not done."""

    code, status = "role-violation", 403


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one may do; a role of a name alone allows everything.

    Names in `tools` and `addresses` may be patterns with `*`.
    """

    name: str
    speaks: bool = True
    """Whether it says anything: takes turns in a team, publishes."""
    tools: tuple[str, ...] | None = None
    """The tools that it may use; None is every one it has."""
    addresses: tuple[str, ...] | None = None
    """Whom it may speak to: members of its team by name or role, agents by `name` or `name/key`; None is everybody."""

    def may_use(self, tool: str) -> bool:
        """Whether a tool of this name is its to use."""
        return self.tools is None or _fits(self.tools, (tool,))

    def may_address(self, *names: str) -> bool:
        """Whether it may speak to somebody who goes by these names."""
        return self.addresses is None or _fits(self.addresses, names)

    def check_publishes(self) -> None:
        """Raises `RoleViolation` where the role does not speak."""
        if not self.speaks:
            raise RoleViolation(f"role {self.name!r} does not speak: nothing was published")

    def check_recipient(self, agent: AgentId) -> None:
        """Raises `RoleViolation` where it may not speak to this agent."""
        if not self.may_address(str(agent), agent.name):
            raise RoleViolation(f"role {self.name!r} may not address {agent}; it may address {_listed(self.addresses)}")

    def check_tools(self, owner: str, tools: Iterable[str]) -> None:
        """Raises `ConfigurationError` where `owner` was given a tool that is not its role's."""
        for tool in tools:
            if not self.may_use(tool):
                allowed = _listed(self.tools)
                raise ConfigurationError(f"{owner}: role {self.name!r} may not use tool {tool!r}; it may use {allowed}")

    def guard(self, inner: Guard | None) -> Guard:
        """A tool's guard that asks the role first, then `inner`."""

        async def asked(tool: str, arguments: dict[str, Any]) -> str:
            if not self.may_use(tool):
                return f"role {self.name!r} may not use it; it may use {_listed(self.tools)}"
            return await inner(tool, arguments) if inner is not None else ""

        return asked

    def told(self) -> str:
        """The role, for a model."""
        lines = [f"Your role: {self.name}."]
        if self.tools is not None:
            lines.append(f"In it you may use these tools: {_listed(self.tools)}.")
        if self.addresses is not None:
            lines.append(f"In it you may address: {_listed(self.addresses)}.")
        return " ".join(lines)


def role_of(role: Role | str | None) -> Role | None:
    """A role from its record, or its name alone."""
    if isinstance(role, str):
        return Role(name=role) if role else None
    return role


class Member(Protocol):
    """What a role's rules look at; every `PerpetualAgent` is one."""

    name: str
    role: Role | None
    handoffs: tuple[str, ...]


M = TypeVar("M", bound=Member)


def speaking(members: Iterable[M]) -> list[M]:
    """Those whose role speaks: they alone take turns. The others are members all the same, and can be given another
    role; they read the whole conversation then.
    """
    return [member for member in members if (role := getattr(member, "role", None)) is None or role.speaks]


def check_roles(members: Sequence[Member], kind: str) -> None:
    """Raises `ConfigurationError` where a member may not hand over as it was told to, or nobody could speak next."""
    roles = {member.name: member.role for member in members}
    for member in members:
        role = member.role
        for target in member.handoffs:
            if role is not None and not role.may_address(*_names(target, roles)):
                allowed = _listed(role.addresses)
                raise ConfigurationError(
                    f"{member.name}: role {role.name!r} may not hand over to {target!r}; it may address {allowed}"
                )
        if kind == "selector" and role is not None and role.speaks and not next_speakers(member.name, roles):
            raise ConfigurationError(
                f"{member.name}: role {role.name!r} may address no other member, so nobody could speak next"
            )


def selection(members: Sequence[Member]) -> dict[str, Any]:
    """The option of AutoGen's selector that lets nobody speak whom the last speaker may not address."""
    roles = {member.name: member.role for member in members}
    if all(role is None or role.addresses is None for role in roles.values()):
        return {}
    return {"candidate_func": lambda thread: next_speakers(thread[-1].source, roles)}


def next_speakers(speaker: str, roles: Mapping[str, Role | None]) -> list[str]:
    """Who may speak after `speaker`: the others whom its role lets it address; everybody, after one of no role."""
    role = roles.get(speaker)
    others = [name for name in roles if name != speaker]
    return [name for name in others if role is None or role.may_address(*_names(name, roles))]


def _names(member: str, roles: Mapping[str, Role | None]) -> tuple[str, ...]:
    """What a member goes by: its name, and its role's."""
    role = roles.get(member)
    return (member,) if role is None else (member, role.name)


def _fits(patterns: Iterable[str], names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, each) for each in patterns for name in names)


def _listed(names: Iterable[str] | None) -> str:
    return ", ".join(names or ()) or "none"
