"""An operating system for perpetual AI agents: an accepted event is applied to its agent's state exactly once.

Public names are loaded when they are first used (PEP 562), so that importing the package costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
    from AgentOperatingSystem.agents.actions import Action
    from AgentOperatingSystem.agents.agent import Agent
    from AgentOperatingSystem.agents.autogen_agent import AutoGenAgent
    from AgentOperatingSystem.agents.base_agent import BaseAgent, RestartPolicy, on_failure
    from AgentOperatingSystem.agents.budgets import Budget, Limits
    from AgentOperatingSystem.agents.coder_agent import CoderAgent
    from AgentOperatingSystem.agents.context import Context
    from AgentOperatingSystem.agents.intelligence_agent import IntelligenceAgent
    from AgentOperatingSystem.agents.memory import Memory
    from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
    from AgentOperatingSystem.agents.purpose_driven_agent import PurposeDrivenAgent
    from AgentOperatingSystem.agents.team import AgentTeam
    from AgentOperatingSystem.config import AOSConfig
    from AgentOperatingSystem.errors import AOSError, EventFailed, Quarantine, Retryable, Terminal, Unavailable
    from AgentOperatingSystem.events import Event
    from AgentOperatingSystem.ids import AgentId
    from AgentOperatingSystem.mcp.context_server import ContextMCPServer
    from AgentOperatingSystem.orchestration.routes import Route
    from AgentOperatingSystem.tools.base import Tool

_HOME = {
    "AOSConfig": "config",
    "AOSError": "errors",
    "Action": "agents.actions",
    "Agent": "agents.agent",
    "AgentId": "ids",
    "AgentOperatingSystem": "agent_operating_system",
    "AgentTeam": "agents.team",
    "AutoGenAgent": "agents.autogen_agent",
    "BaseAgent": "agents.base_agent",
    "Budget": "agents.budgets",
    "CoderAgent": "agents.coder_agent",
    "Context": "agents.context",
    "ContextMCPServer": "mcp.context_server",
    "Event": "events",
    "EventFailed": "errors",
    "IntelligenceAgent": "agents.intelligence_agent",
    "Limits": "agents.budgets",
    "Memory": "agents.memory",
    "PerpetualAgent": "agents.perpetual_agent",
    "PurposeDrivenAgent": "agents.purpose_driven_agent",
    "Quarantine": "errors",
    "RestartPolicy": "agents.base_agent",
    "Retryable": "errors",
    "Route": "orchestration.routes",
    "Terminal": "errors",
    "Tool": "tools.base",
    "Unavailable": "errors",
    "on_failure": "agents.base_agent",
}
__all__ = [
    "AOSConfig",
    "AOSError",
    "Action",
    "Agent",
    "AgentId",
    "AgentOperatingSystem",
    "AgentTeam",
    "AutoGenAgent",
    "BaseAgent",
    "Budget",
    "CoderAgent",
    "Context",
    "ContextMCPServer",
    "Event",
    "EventFailed",
    "IntelligenceAgent",
    "Limits",
    "Memory",
    "PerpetualAgent",
    "PurposeDrivenAgent",
    "Quarantine",
    "RestartPolicy",
    "Retryable",
    "Route",
    "Terminal",
    "Tool",
    "Unavailable",
    "on_failure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
