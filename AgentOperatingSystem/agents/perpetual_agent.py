"""`PerpetualAgent`: an agent that thinks. Its conversation is a part of its state, so it goes on after any restart.

The kernel hands it an event; AutoGen's AssistantAgent (behind `autogen.py`) answers it with the model and the tools;
AutoGen's state is committed with everything else. An AutoGen team takes the object itself as a member.
"""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.minds import Answer, Guard, MindSpec, bridge, task_of
from AgentOperatingSystem.agents.naming import autogen_name, checked_name
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import OFFLINE, ModelRequest
from AgentOperatingSystem.ml.running import provider_of

CONVERSATION = "autogen"
SYSTEM_MESSAGE = "You are a helpful assistant. Use your tools where they help, and answer in a few sentences."


class PerpetualAgent(BaseAgent):
    """An agent that answers each event with a model and its tools (specification row 43).

    `name` is its name in AutoGen, an identifier that is unique in a team: by default made from `agent_id`, one for
    each; the class's name where no id is given. `model` is `provider/model`, a provider, or empty for the configured
    one. `state["autogen"]` is the conversation; everything else in the state, a dict, is the subclass's own.

    Constructing and registering one loads no AutoGen. Thinking raises the port's `ModelError`s, and
    `ConfigurationError` where AutoGen is not installed; the `offline` model needs none, and its answers are not kept.
    """

    description: ClassVar[str] = "An agent that answers with a model and its tools."
    tool_rounds_max: ClassVar[int] = 8
    """How often in one event it may look at its tools' results and call again."""

    def __init__(
        self,
        tools: Sequence[Any] = (),
        system_message: str = SYSTEM_MESSAGE,
        *,
        agent_id: str = "",
        name: str = "",
        model: str | ModelProvider = "",
        description: str = "",
        handoffs: Sequence[str] = (),
    ) -> None:
        super().__init__(agent_id)
        self.name = checked_name(name or (autogen_name(self.agent_id) if agent_id else type(self).__name__))
        self.tools = tuple(tools or ())
        self.system_message = system_message
        self.model = model
        self.handoffs = tuple(handoffs)
        self.description = description or type(self).description  # type: ignore[misc]  # the class's is the default
        self._mind: Any = None
        self._saved: Any = None
        self._member: Any = None
        if sys.modules.get("autogen_agentchat") is not None:
            bridge()  # makes this class a ChatAgent in AutoGen's eyes

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if cls.state_type not in (None, dict):
            raise ConfigurationError(f"{cls.__name__}: the conversation needs a state that is a dict; drop state_type")

    async def process(self, event: Event) -> Any:
        """The model's answer to the event."""
        return await self.think(task_of(event))

    async def think(self, task: str) -> str:
        """The answer to one task, which goes on the conversation so far. Raises `ModelError`s."""
        provider = provider_of(self.model)
        if provider.name == OFFLINE:
            return (await provider.complete(ModelRequest.ask(task, instructions=self.instructions()))).text
        answer = await self._answer(task, provider)
        return answer.text

    def instructions(self) -> str:
        """What the model is told to be; a subclass may say more."""
        return self.system_message

    def guard(self) -> Guard | None:
        """What is asked before each call of a tool; nothing by default."""
        return None

    def spec(self, provider: ModelProvider | None = None) -> MindSpec:
        """What AutoGen's agent is built from. Raises `UnknownModel`, `ConfigurationError`."""
        return MindSpec(
            name=self.name,
            provider=provider or provider_of(self.model),
            system_message=self.instructions(),
            description=self.description,
            tools=self.tools,
            handoffs=self.handoffs,
            guard=self.guard(),
            tool_rounds_max=self.tool_rounds_max,
        )

    async def _answer(self, task: str, provider: ModelProvider) -> Answer:
        """One run. A mind is trusted again only where the state is the very object that it left: after a failure, a
        rewind or a restart it is built anew from what was committed.
        """
        self.state = {} if self.state is None else self.state
        saved = self.state.get(CONVERSATION)
        mind, self._mind = self._mind, None
        if mind is None or saved is not self._saved:
            mind = bridge().Mind(self.spec(provider))
            if saved is not None:
                await mind.assistant.load_state(saved)
        answer: Answer = await mind.run(task)
        self.state[CONVERSATION] = self._saved = answer.state
        self._mind = mind
        return answer

    # --- as a member of an AutoGen team -----------------------------------------------------------------------

    @property
    def assistant(self) -> Any:
        """AutoGen's AssistantAgent that stands for this object in AutoGen's own teams, apart from the kernel's
        conversation. Made at the first use.
        """
        if self._member is None:
            self._member = bridge().Mind(self.spec()).assistant
        return self._member

    @property
    def model_client(self) -> Any:
        """AutoGen's client for the model."""
        return bridge().ModelClient(provider_of(self.model))

    @property
    def produced_message_types(self) -> Sequence[type[Any]]:
        """What it may say, in AutoGen's types."""
        types: Sequence[type[Any]] = self.assistant.produced_message_types
        return types

    async def on_messages(self, messages: Sequence[Any], cancellation_token: Any = None) -> Any:
        """AutoGen's `Response` to new messages."""
        token = cancellation_token or bridge().CancellationToken()
        return await self.assistant.on_messages(messages, token)

    async def on_messages_stream(
        self, messages: Sequence[Any], cancellation_token: Any = None
    ) -> AsyncGenerator[Any, None]:
        """What happens on the way to the `Response`, which comes last."""
        token = cancellation_token or bridge().CancellationToken()
        async for each in self.assistant.on_messages_stream(messages, token):
            yield each

    async def run(self, **task: Any) -> Any:
        """AutoGen's `TaskResult` for `task=`."""
        return await self.assistant.run(**task)

    async def run_stream(self, **task: Any) -> AsyncGenerator[Any, None]:
        """AutoGen's messages for `task=`, the `TaskResult` last."""
        async for each in self.assistant.run_stream(**task):
            yield each

    async def on_reset(self, cancellation_token: Any) -> None:
        """Forgets the conversation in AutoGen's team."""
        await self.assistant.on_reset(cancellation_token)

    async def on_pause(self, cancellation_token: Any) -> None:
        """AutoGen's team pauses."""
        await self.assistant.on_pause(cancellation_token)

    async def on_resume(self, cancellation_token: Any) -> None:
        """AutoGen's team goes on."""
        await self.assistant.on_resume(cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:  # type: ignore[override]  # one name, two callers: AutoGen reads it
        """The state as AutoGen's team wants it. Where the agent was initialized (specification row 8) its own state is
        committed too, as every agent's.
        """
        if self.context_server is not None:
            await super().save_state()
        return await self._member.save_state() if self._member is not None else {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `save_state` returned."""
        await self.assistant.load_state(state)

    async def close(self) -> None:
        """There is nothing to let go of: the model belongs to the system."""
