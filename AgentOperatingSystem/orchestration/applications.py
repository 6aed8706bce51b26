"""What a user's module brings: its agents and its routes.

`agents = [...]` names them; without it, every `BaseAgent` subclass that the module itself defines is one. `routes =
[...]` adds routes.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Protocol

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.config.sections import DeclaredApp
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.orchestration.routes import Route


def agents_of(app: ModuleType) -> list[BaseAgent | type[BaseAgent]]:
    """The agents of a module. Raises `ConfigurationError` where there is none, or something else is named."""
    named = getattr(app, "agents", None)
    found = list(named) if named is not None else [value for value in vars(app).values() if _is_own_agent(value, app)]
    if not found:
        raise ConfigurationError(f"{app.__name__} has no agents: define a subclass of BaseAgent, or a list `agents`")
    for agent in found:
        kind = agent if isinstance(agent, type) else type(agent)
        if not issubclass(kind, BaseAgent):
            raise ConfigurationError(f"{app.__name__}.agents holds {agent!r}, which is not an agent")
    return found


def routes_of(app: ModuleType) -> list[Route]:
    """The routes of a module. Raises `ConfigurationError` where something else is named."""
    routes = list(getattr(app, "routes", ()))
    for route in routes:
        if not isinstance(route, Route):
            raise ConfigurationError(f"{app.__name__}.routes holds {route!r}, which is not a Route")
    return routes


class Registering(Protocol):
    """What apps are registered with: the system."""

    async def register_app(self, app: ModuleType) -> list[str]: ...

    async def register_agent(self, agent: BaseAgent) -> str: ...


async def register_declared(system: Registering, apps: Iterable[DeclaredApp]) -> None:
    """Registers what configuration files declare: the agents of modules, and agents that are each a
    `PurposeDrivenAgent` (specification row 393). Raises `ConfigurationError`.
    """
    for app in apps:
        if app.app:
            await system.register_app(load_app(app.app))
        for each in app.agents:
            from AgentOperatingSystem.agents.purpose_driven_agent import PurposeDrivenAgent  # only where there are some

            agent = PurposeDrivenAgent(each.agent_id, each.purpose, each.adapter_name, model=each.model)
            await system.register_agent(agent)


def _is_own_agent(value: object, app: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, BaseAgent) and value.__module__ == app.__name__
