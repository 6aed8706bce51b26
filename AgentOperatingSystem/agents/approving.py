"""Approvals of tool calls: a person says yes or no before the call is made, and nothing runs meanwhile.

`thinking.call_tool` asks here before each call of a tool whose `approval` says so. What was decided, and by whom, is a
step of the event: an approval is for one call with exactly these arguments. No approval, no call.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeGuard

import msgspec

from AgentOperatingSystem.agents.step_calls import StepCalls
from AgentOperatingSystem.agents.steps import Call, Done, Journal, StepKind, hash_of, tool_hash
from AgentOperatingSystem.agents.waiting import Approval, requested, requester_of, wait_for
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.mcp.context_server import current_turn

ARGUMENTS_BYTES_MAX = 32 << 10
"""Whoever approves a call has to see all of it."""


class Approved(Protocol):
    """A tool with an approval; see `Tool` for what its attributes mean."""

    record: Any
    approval: Callable[..., Any] | str
    approval_seconds: float

    def complaint(self, arguments: Mapping[str, Any]) -> str: ...


def is_approved(tool: object) -> TypeGuard[Approved]:
    """Whether a person may have to approve calls of a tool."""
    return bool(getattr(tool, "approval", ""))


async def refusal(tool: Approved, arguments: Mapping[str, Any], journal: Journal | None) -> str:
    """Why the call must not be made, empty where it may. Does not return before that is decided."""
    name = tool.record.name
    if not tool.approval or tool.complaint(arguments):
        return ""  # what is wrong with the arguments the tool says, uncalled
    turn = current_turn()
    if journal is None or not isinstance(turn, StepCalls):
        return f"{name} was not called: it needs an approval, and only the handling of an event can wait for one"
    why = await _why(tool, arguments, journal)
    if why is None:
        return ""
    if len(encode(arguments)) > ARGUMENTS_BYTES_MAX:
        return f"{name} was not called: its arguments are too large to be approved ({ARGUMENTS_BYTES_MAX} bytes)"
    hash = tool_hash(name, arguments)
    asked = Approval(name, dict(arguments), hash, requester_of(turn.event), why)
    expires = journal.clock() + tool.approval_seconds  # not of the context: its time stands still

    def ask(correlation: str) -> list[Event]:
        return [requested(turn, asked, correlation, expires)]

    done = await journal.wait(wait_for(asked, name, hash), expires, ask)
    if done.is_error:
        return f"{name} was not called: nobody approved it within {tool.approval_seconds:g} s"
    return _told(name, msgspec.json.decode(done.content))


async def _why(tool: Approved, arguments: Mapping[str, Any], journal: Journal) -> str | None:
    """What the tool's policy says of these arguments, as a step, so that it says the same at every try; None where no
    approval is needed. A policy that fails wants one.
    """
    policy = tool.approval
    if not callable(policy):
        return ""

    async def run(_: str) -> Done:
        try:
            said = policy(dict(arguments))
            said = await said if inspect.isawaitable(said) else said
        except Exception as error:
            said = f"its policy failed: {type(error).__name__}: {error}"
        return Done(content=encode(said if isinstance(said, str) else bool(said)))

    name = tool.record.name
    about = {"policy of": name}
    call = Call(kind=StepKind.FUNCTION, what="approval", hash=hash_of("policy", name, arguments), about=about)
    said = msgspec.json.decode((await journal.run(call, run)).content)
    return (said if isinstance(said, str) else "") if said else None


def _told(name: str, verdict: dict[str, Any]) -> str:
    if verdict["approved"]:
        return ""
    because = f": {verdict['reason']}" if verdict.get("reason") else ""
    return f"{name} was not called: denied by {verdict['by']}{because}"
