"""The office that gives money back: a clerk with three tools, an auditor, and a scripted model that thinks for both.

What the tools do and what the model was asked is written to files, a line for each: they outlive every host, and are
what the judge counts.
"""

import os
import re
from pathlib import Path
from typing import Any

from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.proof.kill.points import Trap
from AgentOperatingSystem.tools.function_tool import FunctionTool

CLERK, AUDITOR = "clerk", "auditor"
SAYS = {
    CLERK: "You are the clerk. Look the order up, refund it, write to the customer.",
    AUDITOR: "You are the auditor.",
}
DEADLINE_SECONDS = 0.3
"""How long a refund may take; no verdict on one that was cut off is taken before."""
_ORDER = re.compile(r"o-\d+")
TOOLS = ("lookup", "refund", "email")
_NEXT = {"": "lookup", "lookup": "refund", "refund": "email"}


class Ledger:
    """What really happened."""

    def __init__(self, folder: Path) -> None:
        self.effects = folder / "effects.log"
        self.asked = folder / "asked.log"

    def note(self, file: Path, *words: str) -> None:
        """Adds a line, whole or not at all, whatever becomes of this process afterwards."""
        line = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(line, (" ".join(words) + "\n").encode())
        finally:
            os.close(line)

    def lines(self, file: Path) -> list[list[str]]:
        """Every line's words."""
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def done(self, what: str, order: str) -> list[list[str]]:
        """The effects of one kind on one order."""
        return [words for words in self.lines(self.effects) if words[:2] == [what, order]]


def functions(ledger: Ledger) -> dict[str, Any]:
    """The three tools as plain functions, with a trap before and after what each does."""

    def effect(what: str, order: str, key: str) -> str:
        Trap.step(f"in {what}, before it acts")
        ledger.note(ledger.effects, what, order, key or "-")
        Trap.step(f"in {what}, after it acted")
        return f"{what} of {order}: done"

    async def lookup(order: str) -> str:
        """Shows an order."""
        return effect("lookup", order, "")

    async def refund(order: str, idempotency_key: str = "") -> str:
        """Gives the money of an order back."""
        return effect("refund", order, idempotency_key)

    async def email(order: str, idempotency_key: str = "") -> str:
        """Writes to the customer."""
        return effect("email", order, idempotency_key)

    return {"lookup": lookup, "refund": refund, "email": email}


def tools(ledger: Ledger) -> list[FunctionTool]:
    """The three tools with what a second call of each would do."""
    made = functions(ledger)
    return [
        FunctionTool(made["lookup"], effect="pure"),
        FunctionTool(made["refund"], effect="at_most_once", timeout_seconds=DEADLINE_SECONDS),
        FunctionTool(made["email"], effect="idempotent"),
    ]


def model(ledger: Ledger) -> ScriptedModel:
    """Thinks for both; each question is noted before it is answered."""

    def answer(request: ModelRequest) -> Answer:
        ledger.note(ledger.asked, request_hash(request, scripted.name))
        Trap.step("in a model call")
        return _thought(request)

    scripted = ScriptedModel(answer)
    return scripted


def _thought(request: ModelRequest) -> Answer:
    last = request.messages[-1]
    order = next(found[-1] for said in reversed(request.messages) if (found := _ORDER.findall(said.text)))
    if SAYS[AUDITOR] in request.messages[0].text:
        return f"{order} is in order. APPROVED"
    name = _NEXT.get(last.tool_name)
    return ToolCall(f"{name}-{order}", name, {"order": order}) if name else f"{order} is refunded."
