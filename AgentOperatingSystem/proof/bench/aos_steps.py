"""What a step costs: the canonical work with ten calls of one kind in each event, as steps and as plain calls.

`steps_bare` makes its calls outside of the journal, one of each kind in turn; the others make ten steps of the kind
that they are named after. The calls themselves do next to nothing, so that what is left is the journal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.bench.aos_team import Talker
from AgentOperatingSystem.proof.bench.scenarios import STEPS
from AgentOperatingSystem.proof.bench.unjournaled import without_journal
from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state
from AgentOperatingSystem.storage.records import Head
from AgentOperatingSystem.storage.sqlite.store import fill
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import Effect

AGENT = "stepper"
TALKER = Talker()


async def length(text: str) -> int:
    """The length of a text."""
    return len(text)


TOOLS = {effect: FunctionTool(length, effect=effect) for effect in (Effect.PURE, Effect.AT_MOST_ONCE)}


async def step_model(context: Context, text: str) -> None:
    """A model's answer: written while the handler goes on."""
    await context.think(text, model=TALKER)


async def step_tool(context: Context, text: str) -> None:
    """A tool that only reads: written while the handler goes on."""
    await context.call(TOOLS[Effect.PURE], text=text)


async def step_function(context: Context, text: str) -> None:
    """A function: durable before the handler goes on."""
    await context.step("length", length, text)


async def step_once(context: Context, text: str) -> None:
    """A tool that must not be repeated: its intent is durable before the call, its result before what follows."""
    await context.call(TOOLS[Effect.AT_MOST_ONCE], text=text)


class Stepper(BaseAgent):
    """The canonical work, with calls of one kind."""

    name = AGENT
    kinds: ClassVar[tuple[Any, ...]] = ()
    journal: ClassVar[bool] = True

    async def on_event(self, event: Event, context: Context) -> Counted:
        if not self.journal:
            without_journal(context)
        text = event.data["text"]
        for number in range(STEPS["steps"]):
            await self.kinds[number % len(self.kinds)](context, f"{number} {text}")
        return handle(context.state, text)


def stepper(*kinds: Any, journal: bool = True) -> type[Stepper]:
    """An agent that makes calls of these kinds."""
    return type("Stepper", (Stepper,), {"kinds": kinds, "journal": journal, "__module__": __name__})


class Steps:
    """A contestant of the scenario `steps`."""

    name = "steps"
    agent: ClassVar[type[Stepper]]

    def __init__(self) -> None:
        self._aos: AgentOperatingSystem | None = None

    async def start(self, folder: Path, agents: int) -> None:
        self._aos = AgentOperatingSystem(AOSConfig(data_dir=folder))
        await self._aos.initialize()
        await self._aos.register_agent(self.agent)
        state = msgspec.json.encode(new_state())
        heads = (Head(agent=AgentId(AGENT, str(number)), version=1, state=state) for number in range(agents))
        await fill(self._aos.engine, heads)

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        assert self._aos is not None
        to = AgentId(AGENT, str(agent_number))
        event = Event(type="bench.work", source="/bench", id=event_id, agent=to, data={"text": text})
        result: Mapping[str, Any] = await self._aos.process_event(event)
        return result

    async def state(self, agent_number: int) -> State:
        assert self._aos is not None
        kept: State = await self._aos.context_server(AgentId(AGENT, str(agent_number))).load_state()
        return kept

    async def stop(self) -> None:
        if self._aos is not None:
            await self._aos.close()

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": float(self._aos.bus.commits) if self._aos is not None else 0.0}


class Bare(Steps):
    """The same calls without a journal."""

    name = "steps_bare"
    agent = stepper(step_model, step_tool, step_function, step_once, journal=False)


class Models(Steps):
    """Ten questions to a model."""

    name = "steps_model"
    agent = stepper(step_model)


class Tools(Steps):
    """Ten calls of a tool that only reads."""

    name = "steps_tool"
    agent = stepper(step_tool)


class Functions(Steps):
    """Ten functions of the handler's own."""

    name = "steps_function"
    agent = stepper(step_function)


class Once(Steps):
    """Ten calls of a tool that must not be repeated."""

    name = "steps_once"
    agent = stepper(step_once)
