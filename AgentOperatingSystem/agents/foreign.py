"""AutoGen's agents and teams as their users made them, with the journal wrapped around their models and tools.

`autogen_agent.py` hands in what was built; nothing of it needs a changed line. AutoGen itself is known to `autogen.py`
alone, whose names are used here.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from AgentOperatingSystem.agents.minds import bridge
from AgentOperatingSystem.agents.questions import request_of
from AgentOperatingSystem.agents.steps import Call, Done, Spent
from AgentOperatingSystem.agents.switchboard import Switchboard
from AgentOperatingSystem.agents.thinking import Journaled, call_tool, journal_now, model_call
from AgentOperatingSystem.agents.toolbox import ForeignTool
from AgentOperatingSystem.ml.records import ToolSpec
from AgentOperatingSystem.tools.records import Effect, ToolResult, effect_of

T = TypeVar("T")
_INNER = ("_participants", "_team", "_agent", "_agents")
"""Where AutoGen's teams and agents keep those that they are made of."""


Approvals = Mapping[str, Callable[..., Any] | str]


def journaled(built: Any, effects: Mapping[str, Effect], approvals: Approvals) -> Any:
    """The same agent or team; each call of its models and tools is a step from now on."""
    for part in _parts(built, set()):
        client, benches = getattr(part, "_model_client", None), getattr(part, "_workbench", None)
        if client is not None and not _is_journaled(client):
            part._model_client = ForeignClient(client)
        if isinstance(benches, Sequence):
            part._workbench = [
                each if isinstance(each, ForeignBench) else ForeignBench(each, effects, approvals) for each in benches
            ]
    if getattr(built, "_embedded_runtime", False) and not getattr(built, "_initialized", True):
        built._runtime, built._embedded_runtime = Switchboard(bridge().LENT), False
    return built


def _parts(part: Any, seen: set[int]) -> Iterator[Any]:
    """An agent or team, and all that it is made of."""
    if id(part) in seen or part is None:
        return
    seen.add(id(part))
    yield part
    for name in _INNER:
        inner = getattr(part, name, None)
        for each in inner if isinstance(inner, list | tuple) else [inner]:
            yield from _parts(each, seen)


def _is_journaled(client: Any) -> bool:
    return isinstance(client, ForeignClient) or isinstance(getattr(client, "provider", None), Journaled)


async def run(built: Any, task: str) -> Any:
    """AutoGen's `TaskResult`. Cancelling it breaks off the call that is under way. Raises what a model raised."""
    board = getattr(built, "_runtime", None)
    if isinstance(board, Switchboard):
        return await board.run(built.run, task)
    return await bridge()._finished(built.run, task)


class ForeignClient:
    """A client for a model, each call of which is a step of the turn that it is made in; all else is the client's."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        named = getattr(inner, "_create_args", None)
        self._name = str((named.get("model") if isinstance(named, dict) else "") or type(inner).__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def create(self, messages: Sequence[Any], **named: Any) -> Any:
        """The whole answer."""
        journal = journal_now()
        if journal is None:
            return await self.inner.create(messages, **named)

        async def run(_: str) -> Done:
            return self._done(await self.inner.create(messages, **named))

        done = await _kept(journal.run(self._call(messages, named), run), named.get("cancellation_token"))
        return _result(done)

    async def create_stream(self, messages: Sequence[Any], **named: Any) -> AsyncGenerator[Any, None]:
        """The answer in pieces, then the whole: recorded at its end, and a stream again when it is read back."""
        journal, token = journal_now(), named.get("cancellation_token")
        if journal is None:
            async for piece in self.inner.create_stream(messages, **named):
                yield piece
            return
        ticket = await _kept(journal.begin(self._call(messages, named)), token)
        if ticket.recorded is not None:
            result = _result(ticket.recorded)
            if isinstance(result.content, str) and result.content:
                yield result.content
            yield result
            return
        try:
            async for piece in self.inner.create_stream(messages, **named):
                if not isinstance(piece, str):
                    await _kept(ticket.finish(self._done(piece)), token)
                yield piece
        except Exception as error:
            await ticket.fail(error)
            raise

    def _call(self, messages: Sequence[Any], named: Mapping[str, Any]) -> Call:
        request = request_of(
            messages,
            named.get("tools", ()),
            named.get("tool_choice", "auto"),
            named.get("json_output"),
            named.get("extra_create_args", {}),
        )
        return model_call(request, self._name)

    def _done(self, result: Any) -> Done:
        """The answer as it is kept: AutoGen's own, with the calls of tools that stand in it."""
        calls = [] if isinstance(result.content, str) else result.content
        asked = [{"name": each.name, "arguments": _arguments(each.arguments)} for each in calls]
        kept = {"autogen": result.model_dump(mode="json"), "tool_calls": asked}
        spent = Spent(
            model=self._name,
            input_tokens=result.usage.prompt_tokens,
            output_tokens=result.usage.completion_tokens,
            cost=None,
            cost_note="the price of a client that was brought along is not known",
            cache_hit=result.cached,
        )
        return Done(content=msgspec.json.encode(kept), spent=spent)


def _result(done: Done) -> Any:
    return bridge().CreateResult.model_validate(msgspec.json.decode(done.content)["autogen"])


def _arguments(text: str) -> Any:
    try:
        return msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return text


class ForeignBench:
    """A workbench, each call of which is a step by the tool's effect; all else is the workbench's.

    An effect is what the user says of the tool's name, else what the hints of the Model Context Protocol say, else
    `at_most_once`.
    """

    def __init__(self, inner: Any, effects: Mapping[str, Effect], approvals: Approvals) -> None:
        self.inner = inner
        self._effects = effects
        self._approvals = approvals

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> Any:
        """The result, as text; an error of the tool is one. Raises nothing: AutoGen's agent would wait for ever."""

        async def made(given: Mapping[str, Any]) -> ToolResult:
            told = await self.inner.call_tool(name, given, cancellation_token, call_id)
            return ToolResult(content=told.to_text(), is_error=told.is_error)

        schemas: list[dict[str, Any]] = await self.inner.list_tools()
        hints = next((each.get("annotations") for each in schemas if each["name"] == name), None)
        effect = self._effects.get(name) or effect_of(hints or {})
        spec = ToolSpec(name=name, description="", parameters={})
        tool = ForeignTool(spec, made, effect, self._approvals.get(name, ""))
        told = await _answered(call_tool(tool, arguments or {}), name, cancellation_token)
        content = [bridge().TextResultContent(content=told.content)]
        return bridge().ToolResult(name=name, result=content, is_error=told.is_error)


async def _answered(call: Coroutine[Any, Any, ToolResult], name: str, token: Any) -> ToolResult:
    """What a tool answers, whatever becomes of its call."""
    running = asyncio.ensure_future(call)
    if token is not None:
        token.link_future(running)
    try:
        await asyncio.wait([running])
    finally:
        running.cancel()
    if running.cancelled():
        return ToolResult(content=f"{name} was broken off", is_error=True)
    error = running.exception()
    return ToolResult(content=f"{type(error).__name__}: {error}", is_error=True) if error else running.result()


async def _kept(call: Awaitable[T], token: Any) -> T:
    """Waits for a call that AutoGen's token can break off."""
    running = asyncio.ensure_future(call)
    if token is not None:
        token.link_future(running)
    return await running
