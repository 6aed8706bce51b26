"""The context's calls that are steps: recorded when they end, read back when the event is tried again.

A part of `Context`. Models and tools come in with `thinking.py` when they are first used.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from AgentOperatingSystem.agents.asking import chain
from AgentOperatingSystem.agents.steps import Call, Done, Journal, StepKind, hash_of
from AgentOperatingSystem.agents.waiting import Question, requested, wait_for
from AgentOperatingSystem.errors import ConfigurationError, RequestTimedOut
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

if TYPE_CHECKING:  # none of these is loaded by an agent that does not think
    from AgentOperatingSystem.ml.ports import ModelProvider
    from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
    from AgentOperatingSystem.tools.base import Tool
    from AgentOperatingSystem.tools.records import ToolResult


HUMAN_SECONDS = 7 * 86_400.0
"""How long a person has time to answer, where nothing else is said."""


class Steps(Protocol):
    """Where the steps of a handling are kept."""

    def open(self) -> Journal:
        """The journal; opened by the first step."""
        ...


def waiting_call(how: str, whom: str, *about: Any) -> Call:
    """A question to somebody as a step."""
    return Call(kind=StepKind.WAIT, what=f"{how} {whom}", hash=hash_of(how, whom, *about), about=list(about))


def answer_of(done: Done, too_late: str) -> Any:
    """The answer to a question. Raises `RequestTimedOut` where none came in time."""
    if done.is_error:
        raise RequestTimedOut(too_late)
    return msgspec.json.decode(done.content)


class StepCalls:
    """`think`, `call`, `step`, `ask`. Each is a step; a step must not be made by a task that outlives the handler."""

    __slots__ = ()

    agent: AgentId
    event: Event
    _steps: Steps | None

    @property
    def journal(self) -> Journal:
        """The steps of this handling. Raises `ConfigurationError` where there is no turn to keep them."""
        if self._steps is None:
            raise ConfigurationError("this context belongs to no turn: it can make no steps")
        return self._steps.open()

    async def think(
        self, question: "str | ModelRequest", *, model: "str | ModelProvider" = "", **fields: Any
    ) -> "ModelResponse":
        """A model's answer, paid once however often the event is tried. `fields` are `ModelRequest.ask`'s.

        Raises the port's `ModelError`s, which say what is to happen with the event.
        """
        from AgentOperatingSystem.agents import thinking

        return await thinking.think(self.journal, question, model, fields)

    async def call(self, tool: "Tool | Callable[..., Any]", **arguments: Any) -> "ToolResult":
        """A tool's result, by the tool's declared effect: one that is `pure` or `idempotent` is called again after a
        crash within the call, any other never without a verdict. What goes wrong in it is in the result (`is_error`).
        """
        from AgentOperatingSystem.agents import thinking

        return await thinking.call_tool(thinking.tool_of(tool), arguments, self.journal)

    async def step(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """The JSON result of a function, plain or `async`: recorded when it returns, read back at a retry.

        Two calls of the same name with the same arguments are two steps. A crash within the function calls it again, so
        it should be pure or idempotent; what must not happen twice belongs into a tool (`call`).
        """
        from AgentOperatingSystem.agents import thinking

        return await thinking.call_function(self.journal, name, function, arguments)

    async def ask(
        self, to: AgentId | str, data: Any = None, *, type: str = "aos.request", timeout_seconds: float = 3600.0
    ) -> Any:
        """Another agent's result. The event waits for it without holding anything; its handling goes on from its steps.

        Raises `RequestTimedOut` where none came in time, `Deadlock` where the other waits for this one, `UnknownAgent`,
        `InvalidEvent`, `TooLarge`.
        """
        recipient = self._address(to)
        asks = chain(self.event.asks, self.agent, recipient, blocked=True)
        content = self._plain("request", data)
        fields: dict[str, Any] = {"agent": recipient, "tenant": recipient.tenant, "type": type, "data": content}

        def asked(correlation: str) -> list[Event]:
            return [self._made(correlation, reply_to=self.agent, correlation=correlation, asks=asks, **fields)]

        call = waiting_call("ask", str(recipient), type, content)
        done = await self.journal.wait(call, self.journal.clock() + timeout_seconds, asked)
        return answer_of(done, f"{recipient}: no answer within {timeout_seconds:g} s")

    async def ask_human(
        self, question: str, choices: Sequence[Any] = (), *, expires_seconds: float = HUMAN_SECONDS, to: str = ""
    ) -> Any:
        """A person's answer: one of `choices` where there are any, else any JSON value. The event waits for it without
        holding anything; its handling goes on from its steps. `to` says who is asked.

        Asked once, by a publication on `aos.approvals`; answered by `aos approvals answer`, or over HTTP. Raises
        `RequestTimedOut` where nobody answered in time, `InvalidEvent`, `TooLarge`.
        """
        asked = Question(question, tuple(self._plain("choices", list(choices))), to)
        expires = self.journal.clock() + expires_seconds
        call = wait_for(asked, to, question, asked.choices)
        done = await self.journal.wait(call, expires, lambda name: [requested(self, asked, name, expires)])
        return answer_of(done, f"nobody answered {question[:80]!r} within {expires_seconds:g} s")

    def order(self, system_agent: str, data: Any, *, type: str) -> None:
        """Has an agent of the system do something, after the commit, whoever else this agent's role lets it address."""
        tenant = self.agent.tenant
        self._collect(agent=AgentId(system_agent, tenant=tenant), tenant=tenant, type=type, data=data)

    if TYPE_CHECKING:

        def _collect(self, *, data: Any, **fields: Any) -> Event: ...

        def now(self) -> float: ...

        def _address(self, to: AgentId | str) -> AgentId: ...

        def _plain(self, what: str, value: Any) -> Any: ...

        def _made(self, name: str, **fields: Any) -> Event: ...
