"""One life of one simulated host: the real kernel with its pump, its memory, and the faults that befall its operations.

The world starts it and starts another in its place after a crash. Everything that the kernel does to store and broker
passes through `operate`.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from AgentOperatingSystem.errors import AOSError, Conflict, StoreUnavailable
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.proof.simulator.faults import Faults, Journal

T = TypeVar("T")
LATENCY_SECONDS = 0.02
_owner: contextvars.ContextVar["Host | None"] = contextvars.ContextVar("owner", default=None)


class HostDied(Exception):
    """The host that was asked crashed before it answered."""


class Host:
    """One life of host `number`; its tasks, and whether it still lives."""

    def __init__(self, number: int, life: int, faults: Faults, journal: Journal) -> None:
        self.number = number
        self.name = f"h{number}.{life}"
        self.alive = True
        self.turns: list[Turn] = []
        """Turns that were handed to it."""
        self.on_crash: Callable[[Host], None] = _ignore
        self._faults = faults
        self._journal = journal
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._frozen_until = 0.0

    def __str__(self) -> str:
        return self.name

    # --- its tasks -----------------------------------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs something on this host: it, and every task that it makes, dies with the host."""
        context = contextvars.copy_context()
        context.run(_owner.set, self)
        return asyncio.get_running_loop().create_task(coroutine, context=context)

    def run(self, begin: Callable[[], None]) -> None:
        """Calls something on this host: the tasks that it makes are the host's."""
        context = contextvars.copy_context()
        context.run(_owner.set, self)
        context.run(begin)

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Has something done on this host and waits for the answer, as a client does. Raises `HostDied`."""
        task = self.spawn(coroutine)
        await asyncio.wait([task])
        if task.cancelled():
            raise HostDied
        return task.result()

    def crash(self) -> None:
        """Ends this life at this very instant: nothing of it does anything any more."""
        if self.alive:
            self.stop()
            self.on_crash(self)

    def stop(self) -> None:
        """Ends this life; nobody starts another."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Makes a task this host's."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        if not self.alive:
            task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody needs to hear that it was never fetched

    # --- its operations ------------------------------------------------------------------------------------

    async def operate(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """One operation on the store, the blobs or the broker, with the fault that befalls it."""
        await self._pass(self._faults.rng.random() * LATENCY_SECONDS)
        kind = self._faults.at_operation(operation, self.number)
        if not kind:
            return await call()
        self._faults.struck(kind, operation, self)
        return await self._struck(kind, operation, call)

    async def receive(self, take: Callable[[], Awaitable[T]]) -> T:
        """Waits for the broker to hand something out; a host can crash or stand still with it in its hands."""
        taken = await take()
        kind = self._faults.at_operation("bus.turns", self.number)
        if kind in ("crash", "freeze", "slow"):
            self._faults.struck(kind, "bus.turns", self)
            if kind == "crash":
                self.crash()
            await self._delay(kind, self._faults.rng.uniform(0.1, 40.0))
        return taken

    async def labour(self, operation: str, seconds: float) -> None:
        """Time that a handler spends in a model, a tool or a function; the host can crash or stand still meanwhile."""
        await self._pass(self._faults.rng.random() * seconds)
        kind = self._faults.at_operation(operation, self.number)
        if kind in ("crash", "freeze", "slow"):
            self._faults.struck(kind, operation, self)
            if kind == "crash":
                self.crash()
            await self._delay(kind, self._faults.rng.uniform(0.1, 90.0))

    async def _struck(self, kind: str, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        rng = self._faults.rng
        if kind in ("failed", "blackout"):
            raise StoreUnavailable(f"{operation}: {kind} (injected)")
        if kind == "conflict":
            raise Conflict(f"{operation}: lost a race (injected)")
        if kind == "crash":
            await self._crash_at(call, after=rng.random() < 0.5)
        if kind == "timed_out":
            await self._execute_unheard(call, rng.uniform(0.0, 10.0))
            raise StoreUnavailable(f"{operation}: timed out after it was done (injected)")
        await self._delay(kind, rng.uniform(0.1, 40.0))
        return await call()

    async def _crash_at(self, call: Callable[[], Awaitable[T]], *, after: bool) -> None:
        if after:
            await self._execute_unheard(call, 0.0)
        self.crash()
        raise asyncio.CancelledError

    async def _execute_unheard(self, call: Callable[[], Awaitable[T]], seconds: float) -> None:
        """The operation happens; nobody hears how it went."""
        try:
            await call()
        except AOSError:
            self._journal.write(self, "refused, unheard")
        await self._pass(seconds)

    async def _delay(self, kind: str, seconds: float) -> None:
        """This operation is slow, or the whole host stands still meanwhile."""
        if kind == "freeze":
            self._frozen_until = asyncio.get_running_loop().time() + seconds
        await self._pass(seconds)

    async def _pass(self, seconds: float) -> None:
        """Time passes; a frozen host thaws before it goes on, and a dead one does not go on."""
        await asyncio.sleep(seconds)
        left = self._frozen_until - asyncio.get_running_loop().time()
        if left > 0:
            await self._pass(left)
        if not self.alive:
            raise asyncio.CancelledError


def here() -> Host:
    """The host that the current task belongs to."""
    host = _owner.get()
    assert host is not None
    return host


def owned_tasks(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T], /, **options: Any
) -> "asyncio.Task[T]":
    """A task factory: every task belongs to the host in whose task it was made."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    owner = context[_owner] if context is not None and _owner in context else _owner.get()
    if owner is not None:
        owner.adopt(task)
    return task


def _ignore(host: Host) -> None:
    """Nobody has asked to hear of the crash yet."""
