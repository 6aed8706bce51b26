"""Who uses a simulated world from outside: clients that send until they are told that it is accepted, and the operator.

They never crash. What they were told is accepted is their own log, and the log is what the judge believes.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from AgentOperatingSystem.errors import AgentTerminated, Conflict, IllegalTransition, StoreUnavailable, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId, event_key
from AgentOperatingSystem.orchestration.answering import AnswerDesk
from AgentOperatingSystem.orchestration.budgets.desk import BudgetDesk
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.effects import EffectsDesk
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.quarantine import QuarantineDesk
from AgentOperatingSystem.proof.simulator.actions import Action
from AgentOperatingSystem.proof.simulator.host import Host, HostDied
from AgentOperatingSystem.proof.simulator.plan import CLOCK, EPOCH
from AgentOperatingSystem.proof.simulator.program import Step
from AgentOperatingSystem.storage.records import EventRow

PROCESS_SECONDS = 5.0
RETRY_SECONDS = 0.5
T = TypeVar("T")


class Doors(Protocol):
    """What a host offers to those outside."""

    @property
    def host(self) -> Host: ...
    @property
    def mailroom(self) -> Mailroom: ...
    @property
    def lifecycle(self) -> Lifecycle: ...
    @property
    def quarantine(self) -> QuarantineDesk: ...
    @property
    def cancels(self) -> CancelDesk: ...
    @property
    def effects(self) -> EffectsDesk: ...
    @property
    def answers(self) -> AnswerDesk: ...
    @property
    def budgets(self) -> BudgetDesk: ...
    async def pauses(self) -> list[tuple[EventRow, str]]:
        """Events that wait for a budget, and what they say of it."""
        ...


class Log:
    """What clients were told."""

    def __init__(self) -> None:
        self.accepted: list[Event] = []
        """Events for agents, as sent, each client's in the order in which they were accepted."""
        self.refused: list[Event] = []
        """Those that were refused in the end; an earlier try, whose answer was lost, may have been accepted."""
        self.published: list[Event] = []
        self.plain: dict[tuple[str, str], list[str]] = {}
        """Event keys by client and agent, in the order that the client can count on."""
        self.answers: dict[str, EventRow] = {}
        """Rows that a waiting client was given, by event key."""
        self.cancelled: dict[str, AgentId] = {}
        """Keys of events whose cancelling was confirmed, and their agents."""
        self.unreached: list[str] = []
        """Events that were accepted, and that nobody could cancel because nobody knew them."""


class Outside:
    """Asks whichever host is up, again and again until it answers."""

    def __init__(self, doors: Callable[[], Awaitable[Doors]], log: Log) -> None:
        self._doors = doors
        self._log = log

    async def do(self, steps: tuple[Step, ...], source: str) -> None:
        """Does the steps of one client or operator in order."""
        for step in steps:
            await asyncio.sleep(max(0.0, step.at - asyncio.get_running_loop().time()))
            if step.what in ("accept", "process"):
                await self._event(step, source)
            elif step.what == "publish":
                await self._publish(step, source)
            elif step.what == "cancel":
                await self._cancel(step)
            else:
                await self.control(AgentId.parse(step.to), step.what)

    async def control(self, agent: AgentId, action: str) -> None:
        """Has an agent's control changed; what is not legal now is refused, and that is an answer too."""

        async def ask(doors: Doors) -> None:
            try:
                await doors.lifecycle.control(agent, action)
            except (IllegalTransition, AgentTerminated):
                return

        await self.ask(ask)

    async def ask(self, question: Callable[[Doors], Awaitable[T]]) -> T:
        """The answer of some host, however many must be asked."""
        while True:
            doors = await self._doors()
            try:
                return await doors.host.call(_put(question, doors))
            except (HostDied, StoreUnavailable, Conflict):
                await asyncio.sleep(RETRY_SECONDS)

    async def send(self, agent: AgentId, name: str, actions: list[Action]) -> None:
        """Has one more event accepted."""
        event = Event(type="work", source="person", id=name, agent=agent, data={"do": actions}, time=CLOCK.now())
        with contextlib.suppress(AgentTerminated):
            await self.ask(lambda doors: _offer(doors, event, waits=False))
            self._log.accepted.append(event)

    async def _event(self, step: Step, source: str) -> None:
        agent = AgentId.parse(step.to)
        due = CLOCK.now() + step.after_seconds if step.after_seconds else 0.0
        event = Event(
            type="work",
            source=source,
            id=step.id,
            agent=agent,
            data={"do": step.actions},
            priority=step.priority,
            due=due,
            time=EPOCH + step.at,
            conversation=step.conversation,
        )
        try:
            row = await self.ask(lambda doors: _offer(doors, event, waits=step.what == "process"))
        except AgentTerminated:
            self._log.refused.append(event)
            return
        self._log.accepted.append(event)
        if step.is_plain:
            self._log.plain.setdefault((source, step.to), []).append(event.key)
        if row is not None:
            self._log.answers[event.key] = row

    async def _cancel(self, step: Step) -> None:
        """What has ended, or was never heard of, cannot be cancelled: that is an answer too."""
        agent = AgentId.parse(step.to)
        key = event_key(step.source, step.id)
        known = any(event.key == key and event.agent == agent for event in self._log.accepted)
        try:
            row = await self.ask(lambda doors: doors.cancels.cancel(agent, step.source, step.id))
        except IllegalTransition:
            return
        except UnknownEvent:
            self._log.unreached += [f"{agent} {step.source} {step.id}"] if known else []
            return
        self._log.cancelled[row.key] = agent

    async def _publish(self, step: Step, source: str) -> None:
        event = Event(
            type="work", source=source, id=step.id, topic=step.to, data={"do": step.actions}, time=EPOCH + step.at
        )
        await self.ask(lambda doors: doors.mailroom.publish(event))
        self._log.published.append(event)


async def _offer(doors: Doors, event: Event, *, waits: bool) -> EventRow | None:
    """Has an event accepted, or handled; its row where it is known to have ended."""
    if waits:
        return await doors.mailroom.process(event, PROCESS_SECONDS)
    await doors.mailroom.accept(event)
    return None


async def _put(question: Callable[[Doors], Awaitable[T]], doors: Doors) -> T:
    return await question(doors)
