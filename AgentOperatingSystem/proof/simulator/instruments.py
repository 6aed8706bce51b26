"""The tools and the model of a simulated world: one of each effect, over a world that remembers what really happened.

A host can crash or stand still within each call, before its effect and after it.
"""

from typing import Any, Final

from AgentOperatingSystem.errors import Retryable, Unavailable
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.proof.simulator.host import here
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld, outside_world, trying
from AgentOperatingSystem.proof.simulator.plan import CLOCK
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool

CALL_SECONDS: Final = 3.0
TIMEOUT_SECONDS: Final = 20.0
TEXT: Final = "x" * 200
"""Makes a result a blob where little is kept inline."""


@tool(effect="pure", timeout_seconds=TIMEOUT_SECONDS)
async def look(name: str, said: str) -> str:
    """Looks something up."""
    outside_world.get().called(name, "pure calls")
    await here().labour("tool.pure", CALL_SECONDS)
    return f"looked {name}"


@tool(effect="idempotent", timeout_seconds=TIMEOUT_SECONDS)
async def email(name: str, said: str, idempotency_key: str) -> str:
    """Sends an e-mail, once for each key."""
    world = outside_world.get()
    world.called(name, "idempotent calls")
    await _act(world, name, said, idempotency_key)
    return f"sent {name} {TEXT}"


@tool(effect="at_most_once", timeout_seconds=TIMEOUT_SECONDS)
async def refund(name: str, said: str) -> str:
    """Pays money back, as often as it is called."""
    world = outside_world.get()
    world.called(name, "at_most_once calls", happens_once=True)
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
    await _act(world, name, said, idempotency_key)
    return f"moved {name}"


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
    await here().labour("model", CALL_SECONDS)
    down_until = float(request.options.get("down_until", 0.0))
    if CLOCK.now() < down_until:
        return Unavailable("the model is down", after_seconds=1.0) if world.is_mute() else Retryable("not now")
    return f"answer {world.counts['model calls']} {TEXT}"


def model() -> ScriptedModel:
    """The model that every thinker asks."""
    return ScriptedModel(_answer)
