"""An app for a host in a process of its own: an agent that thinks slowly, and says what its request alone decides."""

import os
from pathlib import Path
from typing import Any

from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.ml import Late, ModelRequest, Pieces, ScriptedModel, ToolCall

SECONDS = float(os.environ.get("CHAT_SECONDS", "0"))


def look(where: str) -> str:
    """Looks somewhere; each call leaves a line."""
    with Path("looked").open("a") as calls:
        calls.write(f"{where}\n")
    return f"nothing {where}"


def answer(request: ModelRequest) -> Any:
    """First a tool, then, slowly, an answer that says how much was heard."""
    said = request.messages[-1]
    if said.role == "user" and said.text.startswith("look"):
        return ToolCall(f"call {len(request.messages)}", "look", {"where": "there"})
    return Late(SECONDS, Pieces(texts=("I have ", f"heard {len(request.messages) - 1}.")))


class Clerk(PerpetualAgent):
    """Talks."""

    def __init__(self) -> None:
        super().__init__([look], "I am clerk.", model=ScriptedModel(answer))
