"""Models and tools as steps: whoever thinks or acts within a turn does it through here, and pays once.

Plain handlers come by the context, AutoGen's agents by `autogen.py`; the calls go through the turn's journal, which the
kernel provides, or straight to the model or the tool where no turn is under way.
"""

import dataclasses
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.agents import approving, jobs
from AgentOperatingSystem.agents.step_calls import StepCalls
from AgentOperatingSystem.agents.steps import Call, Done, Journal, Run, Spent, StepKind, hash_of, tool_hash
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.ml.answers import replayed
from AgentOperatingSystem.ml.canonical import request_hash
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.running import provider_of
from AgentOperatingSystem.ml.sizes import input_tokens
from AgentOperatingSystem.ml.wrappers.around import Around
from AgentOperatingSystem.observability import spans
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import HAPPENS_ONCE, Effect, ToolRecord, ToolResult

ABOUT_LENGTH_MAX = 2000
_response = msgspec.json.Decoder(ModelResponse)
_result = msgspec.json.Decoder(ToolResult)


class Usable(Protocol):
    """What a model may call; every `Tool` is one."""

    @property
    def record(self) -> ToolRecord: ...

    async def call(self, arguments: Mapping[str, Any] | str, /) -> ToolResult:
        """Raises `HandlerError` alone."""
        ...


def journal_now() -> Journal | None:
    """The journal of the turn that the caller is part of."""
    turn = current_turn()
    return turn.journal if isinstance(turn, StepCalls) else None


def model_of(model: str | ModelProvider = "", adapter: str = "") -> ModelProvider:
    """A model as an agent asks it: `provider_of`, each call of which is a step of the turn that it is made in, and is
    for the `adapter` where it names none itself.
    """
    provider = provider_of(model)
    if adapter:
        return Journaled(provider.inner if isinstance(provider, Journaled) else provider, adapter=adapter)
    return provider if isinstance(provider, Journaled) else Journaled(provider)


class Journaled(Around):
    """A model whose calls are steps. Outside of a turn it is just the model."""

    def __init__(self, inner: ModelProvider, journal: Journal | None = None, *, adapter: str = "") -> None:
        super().__init__(inner)
        self._journal = journal
        self._adapter = adapter

    async def complete(self, request: ModelRequest) -> ModelResponse:
        request = self._adapted(request)
        journal = self._journal or journal_now()
        if journal is None:
            return await self.inner.complete(request)

        def asking(model: str) -> Run:
            async def run(_: str) -> Done:
                provider, asked = self._asked(model, request)
                return _answered(await provider.complete(asked))

            return run

        call = dataclasses.replace(model_call(request, self.name), of=asking)
        return _response.decode((await journal.run(call, asking(""))).content)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        request = self._adapted(request)
        journal = self._journal or journal_now()
        deltas = self.inner.stream(request) if journal is None else self._recorded(journal, request)
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta

    async def _recorded(self, journal: Journal, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        """A stream is recorded when it ends; what is read back is a stream again."""
        ticket = await journal.begin(model_call(request, self.name))
        if ticket.recorded is not None:
            for delta in replayed(_response.decode(ticket.recorded.content)):
                yield delta
            return
        provider, request = self._asked(ticket.model, request)
        try:
            async with aclosing(provider.stream(request)) as deltas:
                async for delta in deltas:
                    if delta.response is not None:
                        await ticket.finish(_answered(delta.response))
                    yield delta
        except Exception as error:
            await ticket.fail(error)
            raise

    def _adapted(self, request: ModelRequest) -> ModelRequest:
        if not self._adapter or request.adapter:
            return request
        return msgspec.structs.replace(request, adapter=self._adapter)

    def _asked(self, model: str, request: ModelRequest) -> tuple[ModelProvider, ModelRequest]:
        """The model that is asked: this one, or that of the agent's budget, which may have no adapters."""
        if not model:
            return self.inner, request
        other = provider_of(model)
        adapter = request.adapter if other.capabilities.adapters else ""
        return other, msgspec.structs.replace(request, model="", adapter=adapter)


def model_call(request: ModelRequest, model: str) -> Call:
    """A question to a model as a step."""
    return Call(
        kind=StepKind.MODEL,
        what=request.model or model,
        hash=request_hash(request, model),
        about=_tail(request),
        tokens_max=request.max_output_tokens,
        input_tokens=partial(input_tokens, request),
    )


async def think(
    journal: Journal, question: str | ModelRequest, model: str | ModelProvider, fields: Mapping[str, Any]
) -> ModelResponse:
    """`Context.think`."""
    request = ModelRequest.ask(question, **fields) if isinstance(question, str) else question
    return await Journaled(provider_of(model), journal).complete(request)


def tool_of(tool: Tool | Callable[..., Any]) -> Tool:
    """A function as a tool; a tool is its own."""
    return tool if isinstance(tool, Tool) else FunctionTool(tool)


async def call_tool(tool: Usable, arguments: Mapping[str, Any] | str, journal: Journal | None = None) -> ToolResult:
    """A tool's call as a step of the turn under way; just the call where there is none.

    Raises only what the tool raises to speak to the kernel (`HandlerError`).
    """
    journal = journal or journal_now()
    given = parsed(arguments)
    if given is None:
        return await tool.call(arguments)
    if approving.is_approved(tool) and (no := await approving.refusal(tool, given, journal)):
        return ToolResult(content=no, is_error=True)
    if journal is None:
        return await tool.call(arguments)

    async def run(idempotency_key: str) -> Done:
        with spans.using(tool.record.name, tool.record.effect):
            result = jobs.stamped(await _called(tool, given, idempotency_key), journal)
        return Done(content=msgspec.json.encode(result), is_error=result.is_error)

    result = _result.decode((await journal.run(tool_call(tool, given), run)).content)
    return await jobs.result_of(tool, result, journal) if result.job and isinstance(tool, Tool) else result


async def _called(tool: Usable, arguments: Mapping[str, Any], idempotency_key: str) -> ToolResult:
    """The call itself. Where an intent stands, the journal's time limit counts and not the tool's, which would make an
    error of a call of unknown outcome.
    """
    if not isinstance(tool, Tool):
        return await tool.call(arguments)
    limit_seconds = 2 * tool.timeout_seconds if tool.record.effect in HAPPENS_ONCE else None
    return await tool.call(arguments, idempotency_key=idempotency_key, timeout_seconds=limit_seconds)


def tool_call(tool: Usable, arguments: Mapping[str, Any]) -> Call:
    """A tool's call as a step."""
    record = tool.record
    return Call(
        kind=StepKind.TOOL,
        what=record.name,
        hash=tool_hash(record.name, arguments),
        effect=record.effect,
        about=_short(arguments),
        deadline_seconds=getattr(tool, "timeout_seconds", Tool.timeout_seconds),
        verify=_verifier(tool, arguments) if isinstance(tool, Tool) else None,
    )


def _verifier(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    if tool.record.effect is not Effect.VERIFY:
        return None

    async def verify(idempotency_key: str) -> Done | None:
        result = await tool.happened(arguments, idempotency_key)
        return None if result is None else Done(content=msgspec.json.encode(result), is_error=result.is_error)

    return verify


async def call_function(journal: Journal, name: str, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """`Context.step`."""
    if not name or len(name) > 200:
        raise InvalidInput(f"step name {name[:80]!r}: needs 1 to 200 characters")
    call = Call(
        kind=StepKind.FUNCTION,
        what=name,
        hash=hash_of("function", name, msgspec.to_builtins(arguments)),
        effect=Effect.IDEMPOTENT,
        about=_short(list(arguments)),
    )

    async def run(_: str) -> Done:
        value = function(*arguments)
        return Done(content=encode(await value if inspect.isawaitable(value) else value))

    return msgspec.json.decode((await journal.run(call, run)).content)


def parsed(arguments: Mapping[str, Any] | str) -> Mapping[str, Any] | None:
    """Arguments as an object; None where a model wrote something else: the tool says so, uncalled."""
    if not isinstance(arguments, str):
        return arguments
    try:
        given = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _answered(response: ModelResponse) -> Done:
    usage, cost = response.usage, response.cost
    spent = Spent(
        model=f"{response.provider}/{response.model}" if response.model else response.provider,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=str(cost.amount) if cost else None,
        currency=cost.currency if cost else "",
        cost_note=response.cost_note,
        cache_hit=response.cache_hit,
    )
    return Done(content=msgspec.json.encode(response), spent=spent)


def _tail(request: ModelRequest) -> Any:
    """The last message, for whoever looks at the trace."""
    return _short(msgspec.to_builtins(request.messages[-1])) if request.messages else None


def _short(value: Any) -> Any:
    """The value where it is small, else the beginning of its JSON."""
    content = encode(value)
    if len(content) <= ABOUT_LENGTH_MAX:
        return msgspec.json.decode(content)
    return content[:ABOUT_LENGTH_MAX].decode("utf-8", "ignore") + "…"
