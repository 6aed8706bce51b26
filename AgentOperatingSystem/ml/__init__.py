"""Models: one port, many providers. `model("openai/gpt-4o-mini", config)` gives one; docs/models.md helps to choose.

    response = await provider.complete(ModelRequest.ask("Which of these is urgent?"))

Names are loaded at first use (PEP 562): a system that never thinks loads no HTTP client.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from AgentOperatingSystem.ml.canonical import request_hash
    from AgentOperatingSystem.ml.messages import (
        ImagePart,
        ModelMessage,
        TextPart,
        ToolCall,
        assistant,
        system,
        tool_result,
        user,
    )
    from AgentOperatingSystem.ml.offline import OfflineModel
    from AgentOperatingSystem.ml.ports import ModelProvider
    from AgentOperatingSystem.ml.records import (
        Capabilities,
        Cost,
        ModelDelta,
        ModelRequest,
        ModelResponse,
        NamedTool,
        OutputSchema,
        ToolSpec,
        Usage,
    )
    from AgentOperatingSystem.ml.registry import Models, model
    from AgentOperatingSystem.ml.scripted import Late, Pieces, ScriptedModel

_HOME = {
    "Capabilities": "records",
    "Cost": "records",
    "ImagePart": "messages",
    "Late": "scripted",
    "ModelDelta": "records",
    "ModelMessage": "messages",
    "ModelProvider": "ports",
    "ModelRequest": "records",
    "ModelResponse": "records",
    "Models": "registry",
    "NamedTool": "records",
    "OfflineModel": "offline",
    "OutputSchema": "records",
    "Pieces": "scripted",
    "ScriptedModel": "scripted",
    "TextPart": "messages",
    "ToolCall": "messages",
    "ToolSpec": "records",
    "Usage": "records",
    "assistant": "messages",
    "model": "registry",
    "request_hash": "canonical",
    "system": "messages",
    "tool_result": "messages",
    "user": "messages",
}
__all__ = [
    "Capabilities",
    "Cost",
    "ImagePart",
    "Late",
    "ModelDelta",
    "ModelMessage",
    "ModelProvider",
    "ModelRequest",
    "ModelResponse",
    "Models",
    "NamedTool",
    "OfflineModel",
    "OutputSchema",
    "Pieces",
    "ScriptedModel",
    "TextPart",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "assistant",
    "model",
    "request_hash",
    "system",
    "tool_result",
    "user",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
