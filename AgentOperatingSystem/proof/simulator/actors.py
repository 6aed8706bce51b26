"""The agents of a simulated world: each event carries the actions that its handler takes, and each state keeps a ledger
of what was applied.

The ledger is what the judge reads: a key twice is an event applied twice, a missing key is a lost one. `children` says
purely what a handled event must have sent.
"""

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, ClassVar, Final

from AgentOperatingSystem.agents.base_agent import BaseAgent, RestartPolicy
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Quarantine, Retryable, Terminal, Unavailable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.proof.simulator.actions import Action, actions_of
from AgentOperatingSystem.proof.simulator.observed import Observations

observations: ContextVar[Observations] = ContextVar("observations")
HANG_SECONDS: Final = 100_000.0


class Crash(Exception):
    """What broken agent code raises."""


_FAILURES: Final[dict[str, type[Exception]]] = {
    "retryable": Retryable,
    "unavailable": Unavailable,
    "terminal": Terminal,
    "quarantine": Quarantine,
    "crash": Crash,
}


class Actor(BaseAgent):
    """Does what its events say."""

    name = "actor"

    async def on_event(self, event: Event, context: Context) -> Any:
        observations.get().began(self.address, event)
        ledger = self.state.setdefault("ledger", [])
        ledger.append(event.key)
        if event.type in ("aos.reply", "aos.request.timed_out"):
            answers = self.state.setdefault("answers", {})
            answers[event.correlation] = answers.get(event.correlation, 0) + 1
            return None
        await self._do(context, actions_of(event))
        return len(ledger)

    async def _do(self, context: Context, actions: list[Action]) -> None:
        for action in actions:
            await getattr(self, f"_{action[0]}")(context, *action[1:])

    async def _send(self, context: Context, to: str, actions: list[Action], after_seconds: float = 0.0) -> None:
        await context.send(to, {"do": actions}, after_seconds=after_seconds)

    async def _publish(self, context: Context, topic: str, actions: list[Action]) -> None:
        await context.publish(topic, {"do": actions})

    async def _request(self, context: Context, to: str, actions: list[Action], timeout_seconds: float) -> None:
        correlation = await context.request(to, {"do": actions}, timeout_seconds=timeout_seconds)
        self.state.setdefault("asked", []).append(correlation)

    async def _timer(self, context: Context, name: str, after_seconds: float, actions: list[Action]) -> None:
        await context.schedule(name, after_seconds=after_seconds, data={"do": actions})

    async def _at(self, context: Context, name: str, due: float) -> None:
        """Schedules the same run each time it is asked, as an agent does that sets its timers at every event."""
        await context.schedule(name, at=due)

    async def _cron(self, context: Context, name: str, cron: str) -> None:
        await context.schedule(name, cron=cron, missed="all")
        self.state.setdefault("crons", {}).setdefault(name, context.now())

    async def _cancel(self, context: Context, name: str) -> None:
        await context.cancel(name)
        self.state.setdefault("cancelled", {})[name] = context.now()

    async def _fail(self, context: Context, how: str, until: float) -> None:
        if context.now() < until:
            raise failed(how, until)

    async def _hang(self, context: Context, until: float) -> None:
        await asyncio.sleep(HANG_SECONDS if context.now() < until else 0.0)

    async def _work(self, context: Context, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _note(self, context: Context, key: str) -> None:
        """Counts in memory, by what was remembered before: a second count of its own."""
        await context.remember(key, (await context.recall(key) or 0) + 1)

    async def _storm(self, context: Context, other: str, width: int) -> None:
        """Sends the same on, for ever: only hops and credits end it."""
        for _ in range(width):
            await context.send(other, {"do": [["storm", str(self.address), width]]})


class Strict(Actor):
    """In strict order."""

    name = "strict"
    ordering: ClassVar[str] = "strict"


class Fragile(Actor):
    """Is stopped by its first crash, and waits for a person."""

    name = "fragile"
    restart: ClassVar[RestartPolicy] = RestartPolicy("never")


class Stubborn(Actor):
    """Is tried for ever."""

    name = "stubborn"
    restart: ClassVar[RestartPolicy] = RestartPolicy("always")


class Listener(Actor):
    """Hears all news, one instance."""

    name = "listener"
    subscriptions: ClassVar[tuple[str, ...]] = ("news.#", "news.*")


class Desk(Actor):
    """Hears some news, one instance per topic."""

    name = "desk"
    subscriptions: ClassVar[tuple[str, ...]] = ("news.* -> {topic}",)


KINDS: Final = (Actor, Strict, Fragile, Stubborn, Listener, Desk)


def registry(*others: type[Actor]) -> Registry:
    """All of them, registered, and `others`."""
    made = Registry()
    kinds: tuple[type[Actor], ...] = (*KINDS, *others)
    for kind in kinds:
        made.register(kind)
    return made


def failed(how: str, until: float) -> Exception:
    """What a handler raises that is to fail until a time."""
    return _FAILURES[how](f"on purpose, until {until}")


def children(event: Event) -> Iterator[Event]:
    """What `event`, once handled, must have sent and published; an event without `agent` is a publication."""
    assert event.agent is not None
    mark = f"{event.key}-{event.generation}" if event.generation else event.key
    for place, (agent, topic, data) in enumerate(_outputs(event)):
        yield Event(
            type="child",
            id=f"{mark}-{place}",
            source=f"/agents/{event.agent}",
            agent=AgentId.parse(agent) if agent else None,
            topic=topic,
            data=data,
        )


def _outputs(event: Event) -> Iterator[tuple[str, str, Any]]:
    """Recipient or topic, and data, of each output in order."""
    for name, *rest in actions_of(event):
        if name in ("send", "request"):
            yield rest[0], "", {"do": rest[1]}
        elif name == "publish":
            yield "", rest[0], {"do": rest[1]}
        elif name == "storm":
            for _ in range(rest[1]):
                yield rest[0], "", {"do": [["storm", str(event.agent), rest[1]]]}
