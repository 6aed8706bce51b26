"""Agents that are in memory: a bounded cache. Forgetting one costs a read at its next event, and never more."""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.budgets.accounts import Accounts
from AgentOperatingSystem.orchestration.registry import AgentType

RECENT_MAX = 256
TIME_LIMIT: Final = "time limit"
INTERRUPTED: Final = "interrupted"
HALTED: Final = "halted"
STOP_AGAIN_SECONDS: Final = 5.0
"""A handler that swallows its cancellation is cancelled again after this time."""


@dataclass(slots=True)
class Awake:
    """One agent in memory: its object, its state as of the last commit, and its context server with head and ETag."""

    kind: AgentType | None
    agent: BaseAgent | None
    server: ContextMCPServer
    committed: bytes
    """The state as last committed."""
    current: bytes
    """The state as of the last handling that succeeded; what a failed one is rewound to."""
    state: Any
    broken: AOSError | None = None
    """Why it cannot handle anything: unreadable state, or no such type here."""
    recent: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Keys of events that were applied lately; a duplicate of these costs no handling."""
    fresh: bool = True
    """Whether it was read in this very turn."""
    kept: bytes | None = None
    """The state that was kept last for later; None where nobody knows."""
    owed: tuple[str, ...] = ()
    """Keys of rows whose outputs the last commit recorded and nobody has seen leave: they are sent first."""
    accounts: Accounts | None = None
    """What it may spend and has spent, where anything asked."""

    def note(self, key: str) -> None:
        """Remembers that an event is applied."""
        self.recent[key] = None
        if len(self.recent) > RECENT_MAX:
            self.recent.popitem(last=False)

    def rewind(self, content: bytes) -> None:
        """Puts the state back to `content`: what a failed handler did to it is gone."""
        if self.kind is None:
            return
        self.state = self.kind.codec.decode(content, self.kind.codec.schema)
        if self.agent is not None:
            self.agent.state = self.state


class Warm:
    """The cache: least recently used goes first."""

    def __init__(self, agents_max: int) -> None:
        self._agents_max = agents_max
        self._awake: OrderedDict[AgentId, Awake] = OrderedDict()

    def get(self, agent: AgentId) -> Awake | None:
        """A look at an agent that sleeps in memory; its state is not to be changed."""
        return self._awake.get(agent)

    def take(self, agent: AgentId) -> Awake | None:
        """Hands an agent to one turn. It comes back with `put` after the commit, or not at all: what a turn that failed
        has done to it is never seen by another.
        """
        return self._awake.pop(agent, None)

    def put(self, agent: AgentId, awake: Awake) -> None:
        self._awake[agent] = awake
        if len(self._awake) > self._agents_max:
            self._awake.popitem(last=False)

    def forget(self, agent: AgentId) -> None:
        self._awake.pop(agent, None)

    def forget_type(self, name: str) -> None:
        """Forgets all agents of a type, which is another one now."""
        for agent in [agent for agent in self._awake if agent.name == name]:
            self.forget(agent)

    def __len__(self) -> int:
        return len(self._awake)


@dataclass(slots=True)
class Running:
    """A handler that runs now."""

    task: asyncio.Task[Any]
    deadline: float
    """Loop time at which it is stopped."""
    why: str = ""
    """Set when it was stopped: from outside (`TIME_LIMIT`, `INTERRUPTED`), or by its journal (`HALTED`)."""
    stops: int = 0
    """How many times it was told to stop."""
    stop_at: float = 0.0
    """Loop time at which it is told next."""

    def stop(self, why: str, now: float) -> None:
        """Tells the handler to stop, and again some time later where it does not."""
        self.why = self.why or why
        self.stops += 1
        self.stop_at = now + STOP_AGAIN_SECONDS
        self.task.cancel()

    async def calm(self) -> None:
        """Takes back what the handler, which is over, did not hear or swallowed.

        Raises `CancelledError` where the host itself wants to stop too.
        """
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # what was asked for and not delivered yet comes here
        for _ in range(self.stops):
            self.task.uncancel()
        if self.task.cancelling():
            raise asyncio.CancelledError


class Watch:
    """Stops handlers that run past their time limit, or that are told to stop; one timer for all of them."""

    def __init__(self) -> None:
        self._running: dict[AgentId, Running] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, agent: AgentId, limit_seconds: float) -> Running:
        """A handler begins, in the current task."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        deadline = loop.time() + limit_seconds
        running = self._running[agent] = Running(task, deadline, stop_at=deadline)
        self._arm(deadline)
        return running

    def leave(self, agent: AgentId) -> None:
        """The handler is over."""
        self._running.pop(agent, None)

    def interrupt(self, agent: AgentId, why: str = INTERRUPTED) -> None:
        """Stops the handler of `agent` at its next await. Where it is `INTERRUPTED`, its turn begins again with a fresh
        head.
        """
        running = self._running.get(agent)
        if running is not None:
            running.stop(why, asyncio.get_running_loop().time())
            self._arm(running.stop_at)

    def running(self) -> list[AgentId]:
        """Whose handlers run on this host now."""
        return list(self._running)

    def is_running(self, agent: AgentId) -> bool:
        """Whether a handler of `agent` runs on this host now."""
        return agent in self._running

    def deadline_of(self, task: object) -> float | None:
        """The loop time at which the handler that `task` runs is to be stopped; None where it runs none.

        May be asked from another thread while the loop is blocked.
        """
        return next((running.deadline for running in list(self._running.values()) if running.task is task), None)

    def __len__(self) -> int:
        return len(self._running)

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        for running in self._running.values():
            if running.stop_at <= now:
                running.stop(TIME_LIMIT, now)
        if self._running:
            self._arm(min(running.stop_at for running in self._running.values()))

    def _arm(self, when: float) -> None:
        """One timer, for the first."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._check)
