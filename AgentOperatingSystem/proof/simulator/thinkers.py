"""The agents of a simulated world that make steps: they think, call tools of every effect, ask others, and do several
of these at once.

What each of them asks of the outside carries a name that is unique in the world, and what was heard last: a step that
is made again after something else was heard is seen in the words of its effect.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, ClassVar

from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.steps import WAIT, Step, StepKind
from AgentOperatingSystem.errors import RequestTimedOut
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.simulator.actions import Action
from AgentOperatingSystem.proof.simulator.actors import HANG_SECONDS, Actor, failed, observations
from AgentOperatingSystem.proof.simulator.instruments import TOOLS, function, model
from AgentOperatingSystem.proof.simulator.outside_world import Try, outside_world, trying
from AgentOperatingSystem.proof.simulator.plan import CLOCK

_heard: ContextVar[str] = ContextVar("heard", default="")
"""What this branch of the handling has heard last."""


class Thinker(Actor):
    """Does what its events say, step by step."""

    name = "thinker"

    async def on_event(self, event: Event, context: Context) -> Any:
        world, who = outside_world.get(), who_of(event)
        trying.set(Try(who, observations.get().now()))
        _heard.set("")
        world.running[who] += 1
        try:
            return await super().on_event(event, context)
        finally:
            world.running[who] -= 1

    async def _step(self, context: Context, name: str) -> None:
        await context.step("function", function, name)

    async def _think(self, context: Context, name: str, down_until: float) -> None:
        answer = await context.think(name, model=model(), options={"down_until": down_until} if down_until else {})
        _heard.set(answer.text[:20])

    async def _call(self, context: Context, effect: str, name: str) -> None:
        await context.call(TOOLS[effect], name=name, said=_heard.get())

    async def _approved(self, context: Context, tool: str, name: str, times: int, changes: bool) -> None:
        """Calls a tool that needs an approval; the handler may want something else at each try (`changes`)."""
        said = _heard.get() + (outside_world.get().mind() if changes else "")
        for _ in range(times):
            await context.call(TOOLS[tool], name=name, said=said)

    async def _all(self, context: Context, branches: list[list[Action]]) -> None:
        await asyncio.gather(*(self._do(context, branch) for branch in branches))

    async def _ask(self, context: Context, to: str, name: str, actions: list[Action], timeout_seconds: float) -> None:
        with suppress(RequestTimedOut):
            await context.ask(to, {"do": actions, "name": name}, timeout_seconds=timeout_seconds)

    async def _fail(self, context: Context, how: str, until: float) -> None:
        if CLOCK.now() < until:  # the context's own time stands still from the first step on
            raise failed(how, until)

    async def _hang(self, context: Context, until: float) -> None:
        await asyncio.sleep(HANG_SECONDS if CLOCK.now() < until else 0.0)


class Talker(Thinker):
    """Its events of one conversation build on each other; and it takes whatever a tool raises for the tool's answer."""

    name = "talker"
    converses: ClassVar[bool] = True

    async def _call(self, context: Context, effect: str, name: str) -> None:
        with suppress(Exception):
            await super()._call(context, effect, name)


class Orderly(Thinker):
    """In strict order."""

    name = "orderly"
    ordering: ClassVar[str] = "strict"


THINKERS = (Thinker, Talker, Orderly)


def who_of(event: Event) -> str:
    """Whose handling it is, for the world outside."""
    return f"{event.agent} {event.key}"


def asked(event: Event, steps: list[Step]) -> Iterator[Event]:
    """The events that the waits among an event's steps have sent, or were about to send."""
    for step in steps:
        if step.kind is StepKind.WAIT and step.what.startswith("ask "):
            yield Event(
                type="child",
                id=f"{WAIT}{event.key}/{step.name}",
                source=f"/agents/{event.agent}",
                agent=AgentId.parse(step.what.removeprefix("ask ")),
                data=step.about[-1],
            )
