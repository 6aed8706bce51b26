"""The tools and the model of a simulated world: one of each effect, over a world that remembers what really happened.

A host can crash or stand still within each call, before its effect and after it.
"""

from typing import Any, Final

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.agents.steps import StepKind, step_name, tool_hash
from AgentOperatingSystem.errors import Retryable, Unavailable
from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.ml.sizes import input_tokens
from AgentOperatingSystem.proof.simulator.history import Guarded
from AgentOperatingSystem.proof.simulator.host import here
from AgentOperatingSystem.proof.simulator.limits import ANSWER_TOKENS
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld, outside_world, trying
from AgentOperatingSystem.proof.simulator.plan import CLOCK
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool

CALL_SECONDS: Final = 3.0
TIMEOUT_SECONDS: Final = 20.0
APPROVAL_SECONDS: Final = 60.0
MODEL: Final = "scripted/script"
TEXT: Final = "x" * 200
"""Makes a result a blob where little is kept inline."""


@tool(effect="pure", timeout_seconds=TIMEOUT_SECONDS)
async def look(name: str, said: str) -> str:
    """Looks something up."""
    outside_world.get().called(name, "pure calls")
    _bill("look", name, said)
    await here().labour("tool.pure", CALL_SECONDS)
    return f"looked {name}"


@tool(effect="idempotent", timeout_seconds=TIMEOUT_SECONDS)
async def email(name: str, said: str, idempotency_key: str) -> str:
    """Sends an e-mail, once for each key."""
    world = outside_world.get()
    world.called(name, "idempotent calls")
    _bill("email", name, said)
    await _act(world, name, said, idempotency_key)
    return f"sent {name} {TEXT}"


@tool(effect="at_most_once", timeout_seconds=TIMEOUT_SECONDS)
async def refund(name: str, said: str) -> str:
    """Pays money back, as often as it is called."""
    world = outside_world.get()
    world.called(name, "at_most_once calls", happens_once=True)
    _bill("refund", name, said)
    await _act(world, name, said)
    return f"refunded {name} {TEXT}"


async def _verify(idempotency_key: str, name: str, said: str) -> str | None:
    """Whether the money went; now and then the bank does not answer."""
    world, who = outside_world.get(), trying.get().who
    await here().labour("tool.verify", CALL_SECONDS)
    if world.is_mute():
        raise ConnectionError("the bank does not answer")
    return f"moved {name}" if world.effects[who, name] else None


@tool(effect="verify", timeout_seconds=TIMEOUT_SECONDS, verify=_verify)
async def transfer(name: str, said: str, idempotency_key: str) -> str:
    """Moves money; the bank can say whether it has."""
    world = outside_world.get()
    world.called(name, "verify calls", happens_once=True)
    _bill("transfer", name, said)
    await _act(world, name, said, idempotency_key)
    return f"moved {name}"


@tool(effect="at_most_once", timeout_seconds=TIMEOUT_SECONDS, approval="always", approval_seconds=APPROVAL_SECONDS)
async def pay(name: str, said: str) -> str:
    """Pays, where somebody has approved just that."""
    outside_world.get().called(name, "approved calls", twice=True)
    await _approved("pay", name, said)
    return f"paid {name}"


@tool(effect="idempotent", timeout_seconds=TIMEOUT_SECONDS, approval="always", approval_seconds=APPROVAL_SECONDS)
async def order(name: str, said: str, idempotency_key: str) -> str:
    """Orders, where somebody has approved just that; once for each key."""
    outside_world.get().called(name, "approved calls", twice=True)
    await _approved("order", name, said, idempotency_key)
    return f"ordered {name}"


async def _approved(tool: str, name: str, said: str, idempotency_key: str = "") -> None:
    world, who, arguments = outside_world.get(), trying.get().who, {"name": name, "said": said}
    _bill(tool, name, said)
    world.history.append(Guarded(who=who, tool=tool, arguments=arguments, effect=False))
    await here().labour("tool.before", CALL_SECONDS)
    world.done(who, name, said, idempotency_key)
    world.history.append(Guarded(who=who, tool=tool, arguments=arguments, effect=True, idempotency_key=idempotency_key))
    await here().labour("tool.after", CALL_SECONDS)


def _bill(tool: str, name: str, said: str) -> None:
    step = step_name(StepKind.TOOL, tool_hash(tool, {"name": name, "said": said}), 0)
    outside_world.get().billed(step.rpartition("-")[0], Amounts(tool_calls=1))


async def _act(world: OutsideWorld, name: str, said: str, idempotency_key: str = "") -> None:
    who = trying.get().who
    await here().labour("tool.before", CALL_SECONDS)
    world.done(who, name, said, idempotency_key)
    await here().labour("tool.after", CALL_SECONDS)


TOOLS: Final[dict[str, FunctionTool]] = {
    "pure": look,
    "idempotent": email,
    "verify": transfer,
    "at_most_once": refund,
    "pay": pay,
    "order": order,
}


async def function(name: str) -> str:
    """A function of the handler's own, which does harm to nobody."""
    outside_world.get().called(name, "functions")
    await here().labour("function", CALL_SECONDS)
    return f"did {name}"


async def _answer(request: ModelRequest) -> Any:
    """Never the same answer twice: asking again is seen in what is done with the answer."""
    world, name = outside_world.get(), request.messages[-1].text
    world.called(name, "model calls")
    asked, said = input_tokens(request), world.tokens(ANSWER_TOKENS)
    step = step_name(StepKind.MODEL, request_hash(request, MODEL), 0).rpartition("-")[0]
    world.billed(step, Amounts(tokens=asked + said, model_calls=1))
    await here().labour("model", CALL_SECONDS)
    down_until = float(request.options.get("down_until", 0.0))
    if CLOCK.now() < down_until:
        return Unavailable("the model is down", after_seconds=1.0) if world.is_mute() else Retryable("not now")
    usage = Usage(input_tokens=asked, output_tokens=said)
    return ModelResponse(text=f"answer {world.counts['model calls']} {TEXT}", usage=usage)


def model() -> ScriptedModel:
    """The model that every thinker asks."""
    return ScriptedModel(_answer)
