"""Tools for the tests of users' agents: a system in memory, virtual time, a scripted model, crashes, replays.

Public names are loaded when they are first used, so that importing this costs next to nothing. docs/testing.md shows
each of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from AgentOperatingSystem.clock import LoopClock
    from AgentOperatingSystem.ml.messages import ToolCall
    from AgentOperatingSystem.ml.scripted import ScriptedModel
    from AgentOperatingSystem.orchestration.replaying import Replayed
    from AgentOperatingSystem.proof.simulator.virtual_loop import run_virtual
    from AgentOperatingSystem.testing.crashes import CrashRun, crash_at_every_step, crash_at_step
    from AgentOperatingSystem.testing.memory_system import MemorySystem
    from AgentOperatingSystem.testing.replays import replay_fixture
    from AgentOperatingSystem.testing.service_bus import ServiceBusOfATest, local_service_bus

_HOME = {
    "CrashRun": "testing.crashes",
    "LoopClock": "clock",
    "MemorySystem": "testing.memory_system",
    "Replayed": "orchestration.replaying",
    "ScriptedModel": "ml.scripted",
    "ServiceBusOfATest": "testing.service_bus",
    "ToolCall": "ml.messages",
    "crash_at_every_step": "testing.crashes",
    "crash_at_step": "testing.crashes",
    "local_service_bus": "testing.service_bus",
    "replay_fixture": "testing.replays",
    "run_virtual": "proof.simulator.virtual_loop",
}
__all__ = [
    "CrashRun",
    "LoopClock",
    "MemorySystem",
    "Replayed",
    "ScriptedModel",
    "ServiceBusOfATest",
    "ToolCall",
    "crash_at_every_step",
    "crash_at_step",
    "local_service_bus",
    "replay_fixture",
    "run_virtual",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"AgentOperatingSystem.{_HOME[name]}"), name)
