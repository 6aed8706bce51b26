"""Crashes at each step of an agent: it is run in memory, killed at one commit after the other, and goes on elsewhere.

Between two commits lies everything that an agent can do, so a kill before and one after each commit are all kills that
anything durable can tell apart. Each run has virtual time and a world of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.proof.simulator.virtual_loop import run_virtual
from AgentOperatingSystem.storage.memory import MemoryAgentStore
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Status
from AgentOperatingSystem.testing.memory_system import DAY_SECONDS, MemorySystem, World

KILLS_MAX = 1000
GRACE_SECONDS = 0.002
"""Real time that threads get before virtual time goes on."""
Make = Callable[[], tuple[Sequence[BaseAgent | type[BaseAgent]], list[Any]]]
"""Makes the agents, and the list to which their effects append something each time that they really happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashRun:
    """What became of one run."""

    kill: int
    """At which instant its first host died: 2n - 1 is before the n-th commit, 2n right after it; 0 is never."""
    fell: bool
    """Whether the run came to that instant."""
    status: str
    """How the event ended: `done`, `failed`, `in_doubt` …"""
    result: Any
    effects: tuple[Any, ...]
    """What has really happened, in order."""


class _MortalStore(MemoryAgentStore):
    """A store whose host dies at one instant: nothing of that host comes back from there."""

    def __init__(self, kill: int) -> None:
        super().__init__()
        self.killed = asyncio.Event()
        self._kill = kill
        self._commits = 0

    async def commit(self, change: Change) -> Committed:
        self._commits += 1
        if self._kill == 2 * self._commits - 1:
            await self._die()
        committed = await super().commit(change)
        if self._kill == 2 * self._commits:
            await self._die()
        return committed

    async def _die(self) -> None:
        self.killed.set()
        await asyncio.get_running_loop().create_future()


def crash_at_step(make: Make, event: dict[str, Any], kill: int) -> CrashRun:
    """One run: `event` is handled by the agents of `make`, their host dies at the instant `kill`, and another goes on.

    `event` has `agent` and what else `MemorySystem.event` takes. Must not be called within a running event loop.
    """
    return run_virtual(_run(make, event, kill), GRACE_SECONDS)


def crash_at_every_step(make: Make, event: dict[str, Any]) -> list[CrashRun]:
    """Runs without a kill, then with one at each instant in turn, until a run is over before its instant comes.

    Raises `AssertionError` where an effect happened twice, or where an event that came to the same end as without a
    kill has other effects than it has then. An event may end `in_doubt` where a kill leaves the outcome of a call that
    must not be repeated unknown: then its effect has happened at most once. What a tool appends has to tell calls
    apart, such as its order number.
    """
    whole = crash_at_step(make, event, 0)
    _check_once(whole)
    runs = [whole]
    for kill in range(1, KILLS_MAX + 1):
        run = crash_at_step(make, event, kill)
        if not run.fell:
            return runs
        _check_once(run, whole)
        runs.append(run)
    raise AssertionError(f"the event makes more than {KILLS_MAX // 2} commits")


async def _run(make: Make, event: dict[str, Any], kill: int) -> CrashRun:
    agents, effects = make()
    store = _MortalStore(kill)
    world = World(store=store)
    first = MemorySystem(*agents, world=world)
    given = _event(first, event)
    async with first:
        handled = asyncio.create_task(_until_it_ends(first, given))
        killed = asyncio.create_task(store.killed.wait())
        await asyncio.wait({handled, killed}, return_when=asyncio.FIRST_COMPLETED)
        fell = not handled.done()
        killed.cancel()
        if fell:
            handled.cancel()
    row = await handled if not fell else await _elsewhere(agents, world, given)
    result = first.mailroom.result_of(row) if row.status is Status.DONE else None
    return CrashRun(kill=kill, fell=fell, status=row.status.value, result=result, effects=tuple(effects))


async def _elsewhere(agents: Sequence[BaseAgent | type[BaseAgent]], world: World, event: Event) -> EventRow:
    """The event on another host. Whoever sent it asks again, as senders do who got no answer."""
    async with MemorySystem(*agents, world=world) as second:
        return await _until_it_ends(second, event)


async def _until_it_ends(system: MemorySystem, event: Event) -> EventRow:
    row = await system.mailroom.process(event, DAY_SECONDS)
    if row is None:
        raise AssertionError(f"event {event.id!r} has not ended within a day")
    return row


def _event(system: MemorySystem, fields: dict[str, Any]) -> Event:
    rest = {name: value for name, value in fields.items() if name not in ("agent", "data")}
    return system.event(fields["agent"], fields.get("data"), **rest)


def _check_once(run: CrashRun, whole: CrashRun | None = None) -> None:
    """Raises `AssertionError`."""
    when = "without a kill" if not run.kill else f"killed {_instant(run.kill)}"
    twice = [effect for effect, times in Counter(map(repr, run.effects)).items() if times > 1]
    if twice:
        raise AssertionError(f"{when}: happened more than once: {', '.join(twice)}")
    if whole is None or run.status == Status.IN_DOUBT:
        return
    if (run.status, run.effects) != (whole.status, whole.effects):
        raise AssertionError(
            f"{when}: ended as {run.status} with {list(run.effects)}, not as {whole.status} with {list(whole.effects)}"
        )


def _instant(kill: int) -> str:
    return f"{'before' if kill % 2 else 'right after'} commit {(kill + 1) // 2}"
