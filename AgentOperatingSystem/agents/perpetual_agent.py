"""`PerpetualAgent`: an agent that thinks. Its conversations are kept with its events, so they go on after any restart.

The kernel hands it an event; AutoGen's AssistantAgent (behind `autogen.py`) answers it with the model and the tools;
what was said goes into the conversation's rows (`conversation.py`), with the event's commit. An AutoGen team takes the
object itself as a member.
"""

import sys
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.conversation import TOKENS_MAX, Conversation, fitting
from AgentOperatingSystem.agents.minds import BRIDGE, Answer, Guard, MindSpec, bridge, name_of, task_of
from AgentOperatingSystem.agents.naming import autogen_name, checked_name
from AgentOperatingSystem.agents.progress import answered
from AgentOperatingSystem.agents.questions import state_of
from AgentOperatingSystem.agents.roles import Role, role_of
from AgentOperatingSystem.agents.thinking import model_of
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import OFFLINE, ModelRequest

MINDS_MAX = 8
"""Conversations of one agent whose minds stay in memory."""
SYSTEM_MESSAGE = "You are a helpful assistant. Use your tools where they help, and answer in a few sentences."


class NamelessOptions(TypedDict, total=False):
    """`MindOptions` of an agent whose name is an argument of its own."""

    model: str | ModelProvider
    description: str
    handoffs: Sequence[str]
    role: Role | str | None


class MindOptions(NamelessOptions, total=False):
    """What the constructor of every agent that thinks takes by name and hands on; see `PerpetualAgent`."""

    name: str


class PerpetualAgent(BaseAgent):
    """An agent that answers each event with a model and its tools (specification row 43).

    `name` is its name in AutoGen, an identifier that is unique in a team: by default made from `agent_id`, one for
    each; the class's name where no id is given. `model` is `provider/model`, a provider, or empty for the configured
    one. It goes on the conversation that the event names (`Event.conversation`), which lies in rows of its own
    (`agents/conversation.py`) and of which the model is shown at most `conversation_tokens_max` tokens, older parts as
    a summary. The state, a dict, is the subclass's own. `role` says what it may do (`agents/roles.py`).

    Constructing and registering one loads no AutoGen. Thinking raises the port's `ModelError`s, and
    `ConfigurationError` where AutoGen is not installed; the `offline` model needs none, and its answers are not kept.
    """

    description: ClassVar[str] = "An agent that answers with a model and its tools."
    converses = True
    preloads = (BRIDGE,)
    tool_rounds_max: ClassVar[int] = 8
    """How often in one event it may look at its tools' results and call again."""
    conversation_tokens_max: ClassVar[int] = TOKENS_MAX
    """How much of a conversation the model is shown, estimated; above it, older parts go into a summary."""

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
        role: Role | str | None = None,
    ) -> None:
        super().__init__(agent_id)
        self.name = checked_name(name or (autogen_name(self.agent_id) if agent_id else type(self).__name__))
        self.tools: Iterable[Any] = tuple(tools or ())
        self.system_message = system_message
        self.model = model
        self.handoffs = tuple(handoffs)
        self.role = role_of(role)
        self.description = description or type(self).description  # type: ignore[misc]  # the class's is the default
        self._minds: dict[str, tuple[Any, int]] = {}
        """By conversation: the mind that it left, and the number of its last message then; the latest is last."""
        self._minds_of: Any = None
        """The state that these minds saw."""
        self._aside: Any = None
        self._member: Any = None
        self._check_tools(self.tools)
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
        provider = self.provider()
        if provider.name == OFFLINE:
            request = ModelRequest.ask(task, instructions=self.instructions())
            return (await answered(provider, request, self.name, aloud=self.is_aloud())).text
        answer = await self._answer(task, provider)
        return answer.text

    def provider(self) -> ModelProvider:
        """The model that it asks, each call a step. Raises `UnknownModel`, `ConfigurationError`."""
        return model_of(self.model)

    def instructions(self) -> str:
        """What the model is told to be; a subclass may say more."""
        return self.system_message

    def is_aloud(self) -> bool:
        """Whether its words may be told to a listener while it speaks; not where they may be withheld in the end."""
        return True

    def guard(self) -> Guard | None:
        """What is asked before each call of a tool; nothing by default."""
        return None

    def spec(self, provider: ModelProvider | None = None) -> MindSpec:
        """What AutoGen's agent is built from. Raises `UnknownModel`, `ConfigurationError`."""
        return MindSpec(
            name=self.name,
            provider=provider or self.provider(),
            system_message=f"{self.role.told()}\n\n{self.instructions()}" if self.role else self.instructions(),
            description=f"{self.role.name}: {self.description}" if self.role else self.description,
            tools=tuple(self.tools),
            handoffs=self.handoffs,
            guard=self.role.guard(self.guard()) if self.role else self.guard(),
            tool_rounds_max=self.tool_rounds_max,
            is_aloud=self.is_aloud(),
        )

    def _check_tools(self, tools: Iterable[Any]) -> None:
        """Raises `ConfigurationError` for a tool that its role may not use."""
        if self.role is not None:
            self.role.check_tools(self.name, map(name_of, tools))

    async def _answer(self, task: str, provider: ModelProvider) -> Answer:
        """One run, which goes on the event's conversation. Outside of an event it goes on what was said to this object
        there, and nothing is kept.
        """
        turn = current_turn() if self.context_server is not None and self.context_server.in_turn else None
        if not isinstance(turn, Context):
            mind, self._aside = self._aside or bridge().Mind(self.spec(provider)), None
            spoken: Answer = await mind.run(task)
            self._aside = mind
            return spoken
        talk = turn.conversation(tokens_max=self.conversation_tokens_max, provider=provider)
        mind = await self._warm(talk) or await self._built(talk, provider)
        answer: Answer = await mind.run(task)
        await self._remember(talk, mind, answer)
        return answer

    async def _warm(self, talk: Conversation) -> Any:
        """The mind that this conversation left, where it may be trusted: the state is the very object that it saw
        (after a failure, a rewind or a restart it is another one), nobody else has spoken since, and it still fits.
        """
        if self._minds_of is not self.state:
            self._minds, self._minds_of = {}, self.state
        mind, last = self._minds.pop(talk.id, (None, 0))
        head = await talk.head() if mind is not None else None
        return mind if head is not None and head.last == last and not talk.is_over(head) else None

    async def _built(self, talk: Conversation, provider: ModelProvider) -> Any:
        said = (await talk.window()).for_model()
        mind = bridge().Mind(self.spec(provider))
        if said:
            await mind.assistant.load_state(state_of(said, self.name))
        return mind

    async def _remember(self, talk: Conversation, mind: Any, answer: Answer) -> None:
        """Keeps what was said with the event's commit, and the mind for the next event, unless it knows more than is
        kept.
        """
        kept = [fitting(message) for message in answer.heard]
        last = await talk.extend(kept)
        if all(message is heard for message, heard in zip(kept, answer.heard, strict=True)):
            self._minds[talk.id] = (mind, last)
            if len(self._minds) > MINDS_MAX:
                del self._minds[next(iter(self._minds))]

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
        return bridge().ModelClient(self.provider())

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
