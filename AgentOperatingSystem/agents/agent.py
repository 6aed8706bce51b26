"""`Agent`: the specification's SDK (S0, rows 6, 118, 135 to 137, 266) over the agents of this system.

The kernel hands it an event; one of type `action.{name}` runs a declared action, every other one is answered by the
model with the registered tools, as by every `PerpetualAgent`. What it stored in its memory is in the event's commit.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Unpack

from AgentOperatingSystem.agents.actions import ACTION, actions_of
from AgentOperatingSystem.agents.held_tools import HeldTools
from AgentOperatingSystem.agents.memory import Memory
from AgentOperatingSystem.agents.minds import MindSpec
from AgentOperatingSystem.agents.perpetual_agent import SYSTEM_MESSAGE, NamelessOptions, PerpetualAgent
from AgentOperatingSystem.errors import Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.tools.base import Tool


class Agent(PerpetualAgent):
    """Subclass it: `name` and `version` in `__init__`, tools by `register_tool`, actions by `@Action`.

    `name` may be any text, such as `Research Assistant`. Its address is `agent_id`, else the class's name in snake case
    (`research_agent`); of an `Agent` that is no subclass, its name in lower case with dashes. `self.tools` has the
    tools by name, `self.memory` what it knows.
    """

    tools: HeldTools

    def __init__(
        self,
        name: str = "",
        version: str = "",
        *,
        agent_id: str = "",
        tools: Iterable[Tool | Callable[..., Any]] = (),
        system_message: str = SYSTEM_MESSAGE,
        **options: Unpack[NamelessOptions],
    ) -> None:
        own = agent_id or (_slug(name) if type(self) is Agent else "")
        self._identifier = re.sub(r"\W|^(?=\d)", "_", name)
        super().__init__(
            (),
            system_message,
            agent_id=own,
            name=self._identifier,
            **options,
        )
        self._identifier = self.name
        self.name = name or self.name
        self.version = version or type(self).version
        self.tools = HeldTools(tools)
        self._check_tools(self.tools)
        self.memory = Memory()

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        cls.declared_actions = actions_of(cls)

    @property
    def memory(self) -> Memory:
        """What it knows by topic; `Memory()` where nothing else was assigned."""
        return self._memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._memory = memory
        memory.belongs_to(self.address)

    def register_tool(self, tool: Tool | Callable[..., Any]) -> None:
        """Adds a tool, or a Python function as one. Raises `ConfigurationError` for a name that is taken, or that is
        not its role's.
        """
        self._check_tools((tool,))
        self.tools.register(tool)
        self._minds.clear()  # they were built with the tools before

    def spec(self, provider: ModelProvider | None = None) -> MindSpec:
        """As every agent's, under a name that AutoGen takes."""
        return replace(super().spec(provider), name=self._identifier)

    async def handle_event(self, event: Event) -> Any:
        """Runs an action, or has the model answer; then writes what was stored into the turn."""
        self.memory.begin(self.address)
        acts = event.type.startswith(ACTION)
        result = await (self._act(event) if acts else super().handle_event(event))
        await self.memory.flush()
        return result

    async def save_state(self) -> Mapping[str, Any]:  # type: ignore[override]  # as PerpetualAgent's
        """As every agent's, with what was stored in the memory."""
        self.memory.belongs_to(self.address)
        await self.memory.flush()
        return await super().save_state()

    async def _act(self, event: Event) -> Any:
        """Raises `Terminal` for an action that it has not, `InvalidInput` for data that does not fit."""
        name, actions = event.type.removeprefix(ACTION), type(self).declared_actions
        if name not in actions:
            raise Terminal(f"{self.agent_id} has no action {name!r}; there are {', '.join(actions) or 'none'}")
        action = actions[name]
        made = getattr(self, action.attribute)(**action.checked(event.data))
        return await made if inspect.isawaitable(made) else made


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-.")
