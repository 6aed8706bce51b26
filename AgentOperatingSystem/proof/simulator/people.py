"""The people who are asked for approvals and for money: they look now and then, as `aos approvals` and `aos budgets`
let them, and not all of them are honest.

Whoever decides also tries what must be refused: to approve what he asked for himself, other arguments than those that
wait, once more what is decided, or what is too late. The history keeps what they were told.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Final

from AgentOperatingSystem.agents.waiting import Approval
from AgentOperatingSystem.errors import (
    AgentTerminated,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    UnknownAgent,
    UnknownEvent,
)
from AgentOperatingSystem.orchestration.answering import Asked
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile
from AgentOperatingSystem.proof.simulator.client import Doors, Outside
from AgentOperatingSystem.proof.simulator.faults import Journal
from AgentOperatingSystem.proof.simulator.history import Entry, Said
from AgentOperatingSystem.proof.simulator.limits import MORE, TENANT
from AgentOperatingSystem.proof.simulator.plan import CLOCK
from AgentOperatingSystem.storage.records import EventRow

LOOKS_SECONDS: Final = 30.0
OTHER_HASH: Final = "0" * 64
_NO: Final = (Forbidden, IllegalTransition, InvalidInput, UnknownEvent)
Decision = Callable[[Doors], Awaitable[Asked]]


class Approver:
    """Decides about calls of tools."""

    def __init__(
        self, outside: Outside, history: list[Entry], journal: Journal, seed: int, skew_seconds: float
    ) -> None:
        self._outside = outside
        self._history = history
        self._journal = journal
        self._skew_seconds = skew_seconds
        self._rng = Random(f"approvals:{seed}")
        self._known: list[Asked] = []

    async def run(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self._rng.random() * LOOKS_SECONDS)
            page = await self._outside.ask(lambda doors: doors.answers.list(TENANT, limit=1000))
            for asked in page.items:
                if isinstance(asked.wants, Approval) and self._rng.random() < 0.8:
                    await self._decide(asked, asked.wants)
            await self._too_late()

    async def _decide(self, asked: Asked, wants: Approval) -> None:
        chosen = self._rng.random()
        if chosen < 0.1:
            await self._try("own", asked, _approve(asked, wants.hash, wants.requester))
        elif chosen < 0.2:
            await self._try("other", asked, _approve(asked, OTHER_HASH, "stranger"))
        verdict = _approve(asked, wants.hash, "person") if self._rng.random() < 0.8 else _deny(asked, "person")
        if not await self._try("decide", asked, verdict):
            self._known.append(asked)
        elif self._rng.random() < 0.4:
            again = self._rng.choice((_approve(asked, wants.hash, "other"), _deny(asked, "other")))
            await self._try("again", asked, again)

    async def _too_late(self) -> None:
        """What could not be decided, or was left lying, is tried once more when its time is over on every clock."""
        over = [asked for asked in self._known if asked.step.deadline + 2 * self._skew_seconds < CLOCK.now()]
        for asked in over:
            self._known.remove(asked)
            assert isinstance(asked.wants, Approval)
            await self._try("late", asked, _approve(asked, asked.wants.hash, "person"))

    async def _try(self, how: str, asked: Asked, decide: Decision) -> bool:
        accepted = True
        try:
            await self._outside.ask(decide)
        except _NO:
            accepted = False
        who = f"{asked.row.event.agent} {asked.row.key}"
        self._journal.write("person", how, who, asked.step.name, accepted)
        self._history.append(Said(how=how, who=who, step=asked.step.name, accepted=accepted))
        return accepted


class Treasurer:
    """Raises limits that events wait for."""

    def __init__(self, outside: Outside, file: BudgetFile, journal: Journal, seed: int) -> None:
        self.raised = 0
        """How often."""
        self._outside = outside
        self._file = file
        self._journal = journal
        self._rng = Random(f"treasurer:{seed}")

    async def run(self) -> None:
        """Looks again and again, until it is cancelled."""
        while self._file != BudgetFile():
            await asyncio.sleep(self._rng.random() * 2 * LOOKS_SECONDS)
            waiting = await self._outside.ask(lambda doors: doors.pauses())
            if waiting and self._rng.random() < 0.6:
                await self._raise(*self._rng.choice(waiting))

    async def _raise(self, row: EventRow, reason: str) -> None:
        """What the event says is reached."""
        scope, whose, when = reason.removeprefix("the budget of ").split(" ", 2)
        period = "event" if when.startswith("for one event") else "day"
        if period == "event" or scope == "address":
            scope, whose = "agent", str(row.event.agent)
        which = (row.event.source, row.event.id) if period == "event" else ("", "")
        with suppress(UnknownAgent, AgentTerminated):
            await self._outside.ask(lambda doors: doors.budgets.raise_limit(scope, whose, period, MORE, TENANT, which))
        self._journal.write("person", "raises", scope, whose, period)
        self.raised += 1


def _approve(asked: Asked, hash: str, by: str) -> Decision:
    agent = asked.row.event.agent
    assert agent is not None
    return lambda doors: doors.answers.approve(agent, asked.row.key, hash=hash, by=by, step=asked.step.name)


def _deny(asked: Asked, by: str) -> Decision:
    agent = asked.row.event.agent
    assert agent is not None
    return lambda doors: doors.answers.deny(agent, asked.row.key, by=by, step=asked.step.name)
