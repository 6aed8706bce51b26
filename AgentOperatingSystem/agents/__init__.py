"""Agents: what users subclass, and the system calls that their handlers receive.

Names are loaded at first use (PEP 562), and AutoGen not before an agent thinks with it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from AgentOperatingSystem.agents.arbiter import ArbiterAgent
    from AgentOperatingSystem.agents.autogen_agent import AutoGenAgent
    from AgentOperatingSystem.agents.base_agent import BaseAgent
    from AgentOperatingSystem.agents.coder_agent import CoderAgent
    from AgentOperatingSystem.agents.council import CouncilAgent
    from AgentOperatingSystem.agents.delegator import DelegatorAgent
    from AgentOperatingSystem.agents.dispatcher import DispatcherAgent
    from AgentOperatingSystem.agents.intelligence_agent import IntelligenceAgent
    from AgentOperatingSystem.agents.knowledge_agent import KnowledgeAgent
    from AgentOperatingSystem.agents.learning_agent import LearningAgent
    from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
    from AgentOperatingSystem.agents.purpose_driven_agent import PurposeDrivenAgent
    from AgentOperatingSystem.agents.team import AgentTeam

_HOME = {
    "AgentTeam": "team",
    "ArbiterAgent": "arbiter",
    "AutoGenAgent": "autogen_agent",
    "BaseAgent": "base_agent",
    "CoderAgent": "coder_agent",
    "CouncilAgent": "council",
    "DelegatorAgent": "delegator",
    "DispatcherAgent": "dispatcher",
    "IntelligenceAgent": "intelligence_agent",
    "KnowledgeAgent": "knowledge_agent",
    "LearningAgent": "learning_agent",
    "PerpetualAgent": "perpetual_agent",
    "PurposeDrivenAgent": "purpose_driven_agent",
}
__all__ = [
    "AgentTeam",
    "ArbiterAgent",
    "AutoGenAgent",
    "BaseAgent",
    "CoderAgent",
    "CouncilAgent",
    "DelegatorAgent",
    "DispatcherAgent",
    "IntelligenceAgent",
    "KnowledgeAgent",
    "LearningAgent",
    "PerpetualAgent",
    "PurposeDrivenAgent",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
