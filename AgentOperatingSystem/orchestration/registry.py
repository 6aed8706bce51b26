"""Who there is: registered agent types, and for each address the object that handles its events.

A type is registered once, by class (one object per key) or by object (one address). Nothing here is stored: code says
what exists, the store says what it remembers.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass

from AgentOperatingSystem.agents.actions import DeclaredAction
from AgentOperatingSystem.agents.base_agent import BaseAgent, RestartPolicy
from AgentOperatingSystem.agents.budgets import Budget
from AgentOperatingSystem.agents.state import StateCodec
from AgentOperatingSystem.errors import ConfigurationError, UnknownAgent
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.routes import Subscription, parse_subscription


@dataclass(frozen=True, slots=True)
class AgentType:
    """One registered type, with what its class declares."""

    name: str
    make: Callable[[AgentId], BaseAgent]
    codec: StateCodec
    strict: bool
    restart: RestartPolicy
    turn_timeout_seconds: float | None
    capabilities: tuple[str, ...]
    subscriptions: tuple[Subscription, ...]
    version: str
    doc: str
    actions: Mapping[str, DeclaredAction]
    """What the doors may have done by name."""
    budget: Budget | None = None
    preloads: tuple[str, ...] = ()
    """Modules that its first event would load."""


class Registry:
    """The registered types, by name."""

    def __init__(self, state_bytes_max: int = 100 << 20) -> None:
        self._types: dict[str, AgentType] = {}
        self._state_bytes_max = state_bytes_max
        self.changes = 0
        """How often a type was registered: tells whether what was derived from the types is still true."""

    def register(self, agent: BaseAgent | type[BaseAgent]) -> AgentType:
        """Registers a class or an object; registering the same again replaces it. Raises `ConfigurationError`."""
        kind = agent if isinstance(agent, type) else type(agent)
        if not issubclass(kind, BaseAgent):
            raise ConfigurationError(f"{kind.__name__} is not an agent: derive it from BaseAgent")
        name = kind.registered_name() if isinstance(agent, type) else agent.address.name
        AgentId(name)
        if name.startswith("aos."):
            raise ConfigurationError(f"agent name {name!r}: names that begin with 'aos.' belong to the system")
        return self._keep(name, kind, agent)

    def register_system(self, kind: type[BaseAgent]) -> AgentType:
        """Registers an agent of the system itself."""
        return self._keep(kind.registered_name(), kind, kind)

    def get(self, agent: AgentId) -> AgentType:
        """The type of an address. Raises `UnknownAgent`."""
        try:
            return self._types[agent.name]
        except KeyError:
            known = ", ".join(sorted(name for name in self._types if not name.startswith("aos."))) or "none"
            raise UnknownAgent(f"no agent is registered as {agent.name!r}; registered: {known}") from None

    def is_strict(self, agent: AgentId) -> bool:
        """Whether the agent's order is strict; not where no such type is registered."""
        kind = self._types.get(agent.name)
        return kind is not None and kind.strict

    def is_current(self, kind: AgentType | None) -> bool:
        """Whether this is what is registered under its name now."""
        return kind is not None and self._types.get(kind.name) is kind

    def check_recipient(self, agent: AgentId) -> None:
        """Raises `UnknownAgent` where no such type is registered."""
        self.get(agent)

    def capabilities(self) -> dict[str, tuple[str, ...]]:
        """What each type declares that it can do, by name; those that declare nothing are left out."""
        return {kind.name: kind.capabilities for kind in self.types() if kind.capabilities}

    def types(self) -> list[AgentType]:
        """All types, by name."""
        return [self._types[name] for name in sorted(self._types)]

    def _keep(self, name: str, kind: type[BaseAgent], agent: BaseAgent | type[BaseAgent]) -> AgentType:
        self._types[name] = self._describe(name, kind, agent)
        self.changes += 1
        return self._types[name]

    def _describe(self, name: str, kind: type[BaseAgent], agent: BaseAgent | type[BaseAgent]) -> AgentType:
        if kind.ordering not in ("fifo", "strict"):
            raise ConfigurationError(f"{kind.__name__}.ordering is {kind.ordering!r}; use 'fifo' or 'strict'")
        groups = tuple(f"aos.group.{group}" for group in kind.groups)
        return AgentType(
            name=name,
            make=_maker(agent),
            codec=StateCodec(kind.state_type, kind.schema, kind.migrations, self._state_bytes_max),
            strict=kind.ordering == "strict",
            restart=kind.restart,
            turn_timeout_seconds=kind.turn_timeout_seconds,
            capabilities=kind.capabilities,
            subscriptions=tuple(parse_subscription(text, name) for text in (*kind.subscriptions, *groups)),
            version=agent.version,
            doc=(kind.__doc__ or "").strip().partition("\n")[0],
            actions=_checked(kind.declared_actions),
            budget=kind.budget,
            preloads=kind.preloads,
        )


def _checked(actions: Mapping[str, DeclaredAction]) -> Mapping[str, DeclaredAction]:
    """Actions whose input has a schema, each: what is wrong with one is said when its class is registered."""
    for action in actions.values():
        _ = action.parameters
    return actions


def _maker(agent: BaseAgent | type[BaseAgent]) -> Callable[[AgentId], BaseAgent]:
    """How an object for an address comes to be: made from the class, or the one that was registered."""
    if not isinstance(agent, type):
        return _Registered(agent)
    kind = agent

    def make(address: AgentId) -> BaseAgent:
        made = kind()
        made.address = address
        return made

    return make


class _Registered:
    """Answers the registered object, for its own key alone. The first tenant that asks gets it, and every other one a
    copy: an object has one state.
    """

    def __init__(self, agent: BaseAgent) -> None:
        self._agent = agent
        self._owner: AgentId | None = None

    def __call__(self, address: AgentId) -> BaseAgent:
        """Raises `UnknownAgent`."""
        agent = self._agent
        if address.key != agent.address.key:
            raise UnknownAgent(f"{agent.agent_id} is one agent object; register its class to have an instance per key")
        self._owner = self._owner or address
        made = agent if address == self._owner else copy(agent)
        made.address = address
        return made
