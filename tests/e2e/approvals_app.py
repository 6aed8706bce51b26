"""An app for a host in a process of its own: a clerk whose model wants to give money back, which a person approves."""

import os
import time
from pathlib import Path
from typing import Any

from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.agents.team import AgentTeam
from AgentOperatingSystem.ml import ModelRequest, ScriptedModel, ToolCall
from AgentOperatingSystem.tools.function_tool import tool

SECONDS = float(os.environ.get("REFUND_SECONDS", "0"))


@tool(approval="always", timeout_seconds=2)
def refund(order: str) -> str:
    """Gives the money of an order back; each call leaves a line."""
    with Path("refunds").open("a") as lines:
        lines.write(f"{order}\n")
    time.sleep(SECONDS)
    return f"refunded {order}"


def answer(request: ModelRequest) -> Any:
    """First the tool, then what it said; each call of the model leaves a line."""
    with Path("asked").open("a") as lines:
        lines.write("asked\n")
    said = request.messages[-1]
    if said.role == "user":
        return ToolCall(f"call-{len(request.messages)}", "refund", {"order": said.text.split()[-1]})
    return f"It says: {said.text or said.role}"


class Clerk(PerpetualAgent):
    """Refunds."""

    def __init__(self) -> None:
        super().__init__([refund], "I am clerk.", model=ScriptedModel(answer))


class Office(AgentTeam):
    """Refunds, as a team of one."""

    def __init__(self) -> None:
        clerk = PerpetualAgent([refund], "I am clerk.", name="clerk", model=ScriptedModel(answer))
        super().__init__([clerk], turns_max=1)
