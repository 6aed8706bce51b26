"""AutoGen 0.7.5, the only file that knows it: models, tools, single minds and teams as AutoGen's objects.

`perpetual_agent` and `team` import it when they first think (`bridge.py`), and hand it plain values; `minds.Answer`
comes back. What replaces AutoGen one day replaces this file.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar

import msgspec
from autogen_agentchat import base, conditions
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core import (
    AgentInstantiationContext,
    CancellationToken,
    FunctionCall,
    MessageContext,
    MessageHandlerContext,
)
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import BaseTool, TextResultContent, Tool, ToolResult, ToolSchema, Workbench
from pydantic import BaseModel

from AgentOperatingSystem.agents.conditions import Condition
from AgentOperatingSystem.agents.minds import Answer, MindSpec, TeamSpec, answer_of
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.progress import answered
from AgentOperatingSystem.agents.questions import heard_of, request_of, spec_of
from AgentOperatingSystem.agents.rosters import misdirected
from AgentOperatingSystem.agents.switchboard import Lent, Switchboard
from AgentOperatingSystem.agents.thinking import Usable
from AgentOperatingSystem.agents.toolbox import ForeignTool, Halt, Toolbox, usable
from AgentOperatingSystem.errors import AOSError, ConfigurationError, UnsupportedRequest
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse

T = TypeVar("T")
NOTHING = RequestUsage(0, 0)
Choice = Tool | Literal["auto", "required", "none"]
LENT = Lent(
    MessageContext,
    CancellationToken,
    MessageHandlerContext.populate_context,
    AgentInstantiationContext.populate_context,
)
Chat = RoundRobinGroupChat | SelectorGroupChat | Swarm | MagenticOneGroupChat

# What a run fails with is raised to the kernel, which logs it once; AutoGen would log a traceback for each member.
if logging.getLogger("autogen_core").level == logging.NOTSET:
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)
base.ChatAgent.register(PerpetualAgent)  # Swarm and MagenticOne take nothing that is no ChatAgent


class ModelClient(ChatCompletionClient):
    """A model of our port as AutoGen's client. `failure` keeps the error of the last call: AutoGen's teams turn it into
    text, and it says whether to try again. Once a tool has halted the run, its error is raised instead of an answer.
    """

    def __init__(self, provider: ModelProvider, halt: Halt | None = None) -> None:
        self.provider = provider
        self.halt = halt or Halt()
        self.failure: AOSError | None = None
        self.speaker, self.is_aloud = "", False  # whoever leads a team speaks to nobody
        self._last = NOTHING
        self._total = NOTHING

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Choice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},  # AutoGen's signature; never changed
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """The whole answer. Raises the port's `ModelError`s."""
        self.halt.check()
        request = request_of(messages, tools, tool_choice, json_output, extra_create_args)
        response = await self._kept(
            answered(self.provider, request, self.speaker, aloud=self.is_aloud), cancellation_token
        )
        return self._result(request, response)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Choice = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},  # AutoGen's signature; never changed
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """The answer's text in pieces, then the whole. Raises the port's `ModelError`s."""
        self.halt.check()
        request = request_of(messages, tools, tool_choice, json_output, extra_create_args)
        async with aclosing(self.provider.stream(request)) as stream:
            while True:
                delta = await self._kept(anext(stream), cancellation_token)
                if delta.response is not None:
                    yield self._result(request, delta.response)
                    return
                if delta.text:
                    yield delta.text

    async def close(self) -> None:
        """The model belongs to the system, which closes it."""

    def actual_usage(self) -> RequestUsage:
        return self._last

    def total_usage(self) -> RequestUsage:
        return self._total

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """An estimate, four characters for a token: the port has no tokenizer."""
        characters = sum(len(str(message.content)) for message in messages)
        return (characters + sum(len(str(spec_of(tool))) for tool in tools)) // 4

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Raises `UnsupportedRequest` where the length of the model's context is not known."""
        context = self.provider.capabilities.context_tokens
        if context is None:
            raise UnsupportedRequest(f"{self.provider.name}: the length of its context is not known; see models_file")
        return context - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelInfo:
        """AutoGen's older name for `model_info`."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        can = self.provider.capabilities
        return ModelInfo(
            vision=can.vision,
            function_calling=can.tools,
            json_output=can.json_schema,
            structured_output=can.json_schema,
            family=ModelFamily.UNKNOWN,
            multiple_system_messages=True,
        )

    async def _kept(self, call: Awaitable[T], token: CancellationToken | None) -> T:
        """Waits for a call that AutoGen's token can break off, and keeps its error."""
        running = asyncio.ensure_future(call)
        if token is not None:
            token.link_future(running)
        try:
            return await running
        except AOSError as error:
            self.failure = error
            raise

    def _result(self, request: ModelRequest, response: ModelResponse) -> CreateResult:
        if request.json_schema is not None and response.finish_reason == "refusal":
            response.value()  # raises: a verdict was asked, and there is none
        usage = RequestUsage(response.usage.input_tokens or 0, response.usage.output_tokens or 0)
        self._last = usage
        self._total = total_of([self._total, usage])
        calls = [FunctionCall(call.id, _json(call.arguments), call.name) for call in response.tool_calls]
        return CreateResult(
            finish_reason=_FINISH.get(response.finish_reason, "stop"),
            content=calls or response.text,
            usage=usage,
            cached=response.cache_hit,
            thought=response.text if calls and response.text else None,
        )


def total_of(usages: Iterable[RequestUsage]) -> RequestUsage:
    """The sum of what was used."""
    every = list(usages)
    return RequestUsage(sum(each.prompt_tokens for each in every), sum(each.completion_tokens for each in every))


Finish = Literal["stop", "length", "function_calls", "content_filter"]
_FINISH: dict[str, Finish] = {"tool_calls": "function_calls", "refusal": "content_filter", "length": "length"}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def tool_of(tool: Any) -> Usable:
    """A Python function, one of our tools or of AutoGen's own. Raises `ConfigurationError`."""
    return usable(tool, lambda other: _adopted(other) if isinstance(other, BaseTool) else None)


def _adopted(tool: BaseTool[Any, Any]) -> Usable:
    async def call(arguments: Mapping[str, Any]) -> str:
        token = CancellationToken()
        try:
            return tool.return_value_as_string(await tool.run_json(arguments, token))
        except asyncio.CancelledError:
            token.cancel()
            raise

    return ForeignTool(spec_of(tool), call)


class Bench(Workbench):
    """A toolbox as AutoGen wants it. `call_tool` raises nothing: AutoGen's agent would wait for ever."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._schemas = [
            ToolSchema(name=each.name, description=each.description, parameters=each.parameters)  # type: ignore[typeddict-item]  # any JSON schema
            for each in toolbox.records()
        ]

    async def list_tools(self) -> list[ToolSchema]:
        return self._schemas

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        running = asyncio.ensure_future(self._toolbox.call(name, arguments or {}))
        if cancellation_token is not None:
            cancellation_token.link_future(running)
        try:
            await asyncio.wait([running])
        finally:
            running.cancel()
        if running.cancelled():
            return ToolResult(name=name, result=[TextResultContent(content="broken off")], is_error=True)
        told = running.result()
        return ToolResult(name=name, result=[TextResultContent(content=told.content)], is_error=told.is_error)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def reset(self) -> None: ...

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None: ...


class Mind:
    """One AssistantAgent with its model and its tools."""

    def __init__(self, spec: MindSpec, halt: Halt | None = None) -> None:
        self.halt = halt or Halt()
        self.client = ModelClient(spec.provider, self.halt)
        self.client.speaker, self.client.is_aloud = spec.name, spec.is_aloud
        handoffs = [base.Handoff(target=target) for target in spec.handoffs]
        taken = [handoff.name for handoff in handoffs]
        self.toolbox = Toolbox([tool_of(tool) for tool in spec.tools], spec.guard, self.halt, taken, spec.name)
        self.assistant = AssistantAgent(
            spec.name,
            self.client,
            workbench=Bench(self.toolbox),
            handoffs=list(handoffs),
            description=spec.description,
            system_message=spec.system_message,
            max_tool_iterations=spec.tool_rounds_max,
        )

    async def run(self, task: str) -> Answer:
        """One task, answered. Raises the model's error, and what a tool raised for the kernel."""
        self.halt.error = None
        before, context = self.client.total_usage(), self.assistant.model_context
        known = len(await context.get_messages())
        result = await _finished(self.assistant.run, task)
        self.halt.check()
        heard = heard_of((await context.get_messages())[known:])
        return answer_of(result, {}, before, self.client.total_usage(), heard)


async def _finished(run: Callable[..., Awaitable[T]], task: Any) -> T:
    """The result. Cancelling it breaks off the call that is under way: AutoGen's own tasks would go on."""
    token = CancellationToken()
    running = asyncio.ensure_future(run(task=task, cancellation_token=token))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        token.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise


class Group:
    """One of AutoGen's group chats, built from a specification, for one run after another."""

    def __init__(self, spec: TeamSpec) -> None:
        self.names = [member.name for member in spec.members]
        self._halt = Halt()
        self._minds = [Mind(member, self._halt) for member in spec.members]
        self._client = ModelClient(spec.provider, self._halt)
        self._kind = spec.kind
        self._condition = condition_of(spec.condition)
        self._board = Switchboard(LENT)
        self._chat = self._built(spec)
        self._state: dict[str, Any] = {}

    async def load(self, state: dict[str, Any]) -> None:
        """Goes on from a state that was saved by a team of the same members."""
        await self._chat.load_state(state)
        self._state = state

    async def run(self, task: str) -> Answer:
        """One task, until a condition stops the team. Raises the model's error, and what a tool raised for the kernel.

        What was broken off must be rebuilt.
        """
        if self._condition is not None:
            await self._condition.reset()  # a time-out counts from now
        target = misdirected(self._state, self.names) if self._state and self._kind == "swarm" else ""
        said = HandoffMessage(content=task, source="user", target=target) if target else task
        self._halt.error = None
        for client in self._clients():
            client.failure = None
        before = total_of(client.total_usage() for client in self._clients())
        result = await self._done(said)
        used = total_of(client.total_usage() for client in self._clients())
        self._state = dict(await self._chat.save_state())
        return answer_of(result, self._state, before, used)

    async def _done(self, task: str | HandoffMessage) -> Any:
        try:
            result = await self._board.run(self._chat.run, task)
        except Exception as error:
            raise self._cause(error) from None
        self._halt.check()
        return result

    def _cause(self, error: Exception) -> Exception:
        """The error behind the text, traceback and all, that AutoGen makes of it."""
        if self._halt.error is not None:
            return self._halt.error
        failures = [client.failure for client in self._clients() if client.failure is not None]
        return failures[-1] if failures else RuntimeError(str(error).partition("\nTraceback")[0])

    def _clients(self) -> list[ModelClient]:
        return [self._client, *(mind.client for mind in self._minds)]

    def _built(self, spec: TeamSpec) -> Chat:
        members: list[Any] = [mind.assistant for mind in self._minds]
        named: dict[str, Any] = {"termination_condition": self._condition, "name": spec.name, "runtime": self._board}
        if spec.turns_max is not None:
            named["max_turns"] = spec.turns_max
        try:
            if spec.kind == "round_robin":
                return RoundRobinGroupChat(members, **named)
            if spec.kind == "selector":
                return SelectorGroupChat(members, self._client, **named, **spec.options)
            if spec.kind == "swarm":
                return Swarm(members, **named)
            return MagenticOneGroupChat(members, self._client, **named, **spec.options)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"team {spec.name}: {error}") from None


def condition_of(condition: Any) -> base.TerminationCondition | None:
    """AutoGen's condition for one of ours; one of AutoGen's own is itself."""
    if condition is None or isinstance(condition, base.TerminationCondition):
        return condition
    if not isinstance(condition, Condition):
        raise ConfigurationError(f"{condition!r} is no termination condition: see agents/conditions.py")
    if condition.parts:
        parts = [part for each in condition.parts if (part := condition_of(each)) is not None]
        combined = base.OrTerminationCondition if condition.kind == "either" else base.AndTerminationCondition
        return combined(*parts)
    return _CONDITIONS[condition.kind](condition.value)


_CONDITIONS: dict[str, Callable[[Any], base.TerminationCondition]] = {
    "text": conditions.TextMentionTermination,
    "source": lambda names: conditions.SourceMatchTermination(list(names)),
    "messages": conditions.MaxMessageTermination,
    "tokens": lambda total: conditions.TokenUsageTermination(max_total_token=total),
    "timeout": conditions.TimeoutTermination,
    "handoff": conditions.HandoffTermination,
    "text_message": conditions.TextMessageTermination,
}
