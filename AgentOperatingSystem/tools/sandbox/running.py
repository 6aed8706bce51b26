"""The sandboxes of the running system, for those who hold an agent's address and no configuration.

The composition file registers others with `use`; whoever runs a stranger's program asks `sandboxes`. Where nothing is
registered it is the cage on this machine, which refuses where it cannot isolate.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Protocol

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from AgentOperatingSystem.tools.sandbox.records import Sandbox


class Sandboxes(Protocol):
    """Where programs run."""

    async def check(self) -> None:
        """Raises `SandboxUnavailable` where it is known already that no program will run."""
        ...

    def open(self, agent: AgentId, run: str) -> AbstractAsyncContextManager[Sandbox]:
        """The sandbox of one run of one agent; nothing of it is left at its end."""
        ...


class LocalSandboxes:
    """Cages on this machine, for all agents of this process together."""

    def __init__(self) -> None:
        self._sandbox = LocalSandbox()

    async def check(self) -> None:
        await self._sandbox.check()

    @asynccontextmanager
    async def open(self, agent: AgentId, run: str) -> AsyncIterator[Sandbox]:
        yield self._sandbox


class OneSandbox:
    """The same sandbox for everybody: one that the user's code has made, and closes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def check(self) -> None:
        """It says so itself when it is asked to run."""

    @asynccontextmanager
    async def open(self, agent: AgentId, run: str) -> AsyncIterator[Sandbox]:
        yield self._sandbox


_running: list[Sandboxes] = []
_local = cache(LocalSandboxes)


def use(made: Sandboxes) -> None:
    """Makes these the sandboxes of this process, until `release`."""
    _running.append(made)


def release(made: Sandboxes) -> None:
    """The system that used them has closed."""
    _running[:] = [each for each in _running if each is not made]


def sandboxes() -> Sandboxes:
    """Those of the running system; the cages of this machine where it has none of its own."""
    return _running[-1] if _running else _local()
