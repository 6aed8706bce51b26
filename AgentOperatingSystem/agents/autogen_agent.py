"""`AutoGenAgent`: an agent or team of AutoGen's own, as its user made it, with a durable life around it.

The kernel hands it an event; what `build` makes answers it, with its own models and tools, each call of which is a step
of the event (`foreign.py`). AutoGen's state goes on from event to event, one for each conversation.
"""

import inspect
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from AgentOperatingSystem.agents import foreign
from AgentOperatingSystem.agents.base_agent import BaseAgent, current_context
from AgentOperatingSystem.agents.minds import BRIDGE, bridge, task_of
from AgentOperatingSystem.agents.rosters import is_said
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.tools.function_tool import checked_approval
from AgentOperatingSystem.tools.records import Effect

STATE = "autogen/"
"""How the memory of a conversation begins."""


class AutoGenAgent(BaseAgent):
    """`AutoGenAgent(build, agent_id="desk")`: `build`, plain or `async`, makes an AutoGen agent or team, a new one at
    each call; it is called for every event.

    A finished call of its models or tools is not made again when an event is retried. `effects` says of tools, by
    name, what a second call would do; a tool of which nobody says anything is `at_most_once`. `approvals` says which of
    them a person has to approve (`"always"`, or a policy; see `Tool.approval`). An event's result is
    `{"text", "stop_reason", "messages", "input_tokens", "output_tokens"}`. Raises what a model raised, and
    `ConfigurationError` where AutoGen is not installed or `build` makes something else.
    """

    converses = True
    preloads = (BRIDGE,)

    def __init__(
        self,
        build: Callable[[], Any],
        *,
        agent_id: str,
        effects: Mapping[str, Effect | str] | None = None,
        approvals: Mapping[str, Callable[..., Any] | str] | None = None,
    ) -> None:
        super().__init__(agent_id)
        self._build = build
        self._approvals = {name: checked_approval(approval) for name, approval in (approvals or {}).items()}
        try:
            self._effects = {name: Effect(effect) for name, effect in (effects or {}).items()}
        except ValueError as error:
            raise ConfigurationError(f"{agent_id}: effects: {error}; use one of {', '.join(Effect)}") from None

    async def process(self, event: Event) -> Any:
        """The answer of what was built to the event."""
        context = current_context.get()
        if context is None:
            raise ConfigurationError(f"{self.agent_id} answers events alone; send it one")
        key = f"{STATE}{sha256(event.conversation.encode()).hexdigest()[:32]}"
        built = await self._built(await context.recall(key))
        result = await foreign.run(built, task_of(event))
        await context.remember(key, await built.save_state())
        return told(result)

    async def _built(self, saved: Any) -> Any:
        bridge()
        built = self._build()
        built = await built if inspect.isawaitable(built) else built
        if not callable(getattr(built, "run", None)) or not callable(getattr(built, "save_state", None)):
            raise ConfigurationError(f"{self.agent_id}: build made {built!r}, which is no agent or team of AutoGen's")
        foreign.journaled(built, self._effects, self._approvals)
        if saved is not None:
            await built.load_state(saved)
        return built


def told(result: Any) -> dict[str, Any]:
    """What a `TaskResult` of AutoGen's says."""
    said = [(each.source, each.to_text()) for each in result.messages if is_said({"type": type(each).__name__})]
    usages = [each.models_usage for each in result.messages if each.models_usage is not None]
    return {
        "text": said[-1][1] if said else "",
        "stop_reason": result.stop_reason or "",
        "messages": [{"source": source, "text": text} for source, text in said],
        "input_tokens": sum(each.prompt_tokens for each in usages),
        "output_tokens": sum(each.completion_tokens for each in usages),
    }
