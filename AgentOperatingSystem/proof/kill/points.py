"""The named points at which a host dies by its own hand: real store and bus, with a trap at each step of the way.

A trap counts down; at zero the process sends itself SIGKILL, in the middle of whatever it was doing.
"""

import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.engines import Engines
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.messaging.embedded import EmbeddedBus
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.sqlite.store import SqliteAgentStore

P = ParamSpec("P")
T = TypeVar("T")
CRASH_LIMIT = 1_000_000
"""These hosts are killed from outside all the time: that says nothing against the events they had in hand."""
LEASE_SECONDS = 0.5
"""So soon after its death a host's turns are handed out again, where the database has to find out by itself."""
POINTS = (
    "received",
    "loaded",
    "handled",
    "before commit",
    "after commit",
    "before relay",
    "after relay",
    "before settle",
    "after settle",
)


class Trap:
    """Where this process dies, and at which passing; an empty point means nowhere."""

    point: ClassVar[str] = ""
    countdown: ClassVar[int] = 0

    @classmethod
    def set(cls, point: str, countdown: int) -> None:
        cls.point, cls.countdown = point, countdown

    @classmethod
    def step(cls, point: str) -> None:
        """Passes a point, perhaps for the last time."""
        if point and point == cls.point:
            cls.countdown -= 1
            if cls.countdown <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def trapped(
    method: Callable[P, Awaitable[T]], before: str = "", after: str = ""
) -> Callable[P, Coroutine[Any, Any, T]]:
    """A store's method with a trap before it and behind it."""

    @wraps(method)
    async def passed(*args: P.args, **kwargs: P.kwargs) -> T:
        Trap.step(before)
        answer = await method(*args, **kwargs)
        Trap.step(after)
        return answer

    return passed


class TrappedStore(SqliteAgentStore):
    """The embedded store with traps around the head's read and the commit."""

    load = trapped(SqliteAgentStore.load, after="loaded")
    commit = trapped(SqliteAgentStore.commit, "before commit", "after commit")


class TrappedBus(EmbeddedBus):
    """The embedded bus with traps around what leaves after a commit, and around the settling."""

    def carried(self, load: Sequence[Message], receipts: Sequence[str]) -> None:
        Trap.step("before relay")
        super().carried(load, receipts)

    def _done(self, receipts: tuple[str, ...]) -> None:
        Trap.step("after relay")
        Trap.step("before settle")
        super()._done(receipts)
        Trap.step("after settle")

    async def settle(self, turn: Turn) -> None:
        Trap.step("before settle")
        await super().settle(turn)


class KeepingBus(TrappedBus):
    """A broker that cannot carry without keeping, as Service Bus is: what is offered is sent."""

    async def offer(self, message: Message) -> None:
        await self.send([message])


class LoneStore(TrappedStore):
    """A store that is not the broker: outputs stay in the events' rows, and the kernel relays and settles itself."""

    def __init__(self, engine: object, outbox: object = None) -> None:
        super().__init__(engine)  # type: ignore[arg-type]  # the composition hands in its engine


class FusedEngines(Engines):
    """As shipped: one transaction for receive, commit and publish."""

    embedded_bus = TrappedBus
    sqlite_store = TrappedStore


class SplitEngines(Engines):
    """As on Azure: commit, then relay, then settle, each on its own."""

    embedded_bus = KeepingBus
    sqlite_store = LoneStore


class FusedSystem(AgentOperatingSystem):
    """A host on `FusedEngines`."""

    engines = FusedEngines


class SplitSystem(AgentOperatingSystem):
    """A host on `SplitEngines`."""

    engines = SplitEngines


class Setup(NamedTuple):
    """What the hosts of one campaign run on."""

    folder: Path
    split: bool = False
    """Whether commit, relay and settle are separate operations, as they are on Azure."""
    database_url: str = ""
    """The PostgreSQL database that takes the place of the folder's file."""
    database_schema: str = "aos"
    storage: str = ""
    """The storage account, by connection string, that takes the place of the folder's file."""
    storage_prefix: str = "aos"
    """The name of the table and the queue in it."""

    @property
    def pace(self) -> float:
        """How many times as long as on a file everything takes: requests over HTTP."""
        return 10.0 if self.storage else 1.0

    async def waiting(self, aos: AgentOperatingSystem) -> int:
        """How many messages wait or are in a turn, on any host."""
        if self.storage:
            from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus  # loads the SDK

            assert isinstance(aos.bus, StorageQueueBus)
            return await aos.bus.about()
        return aos.bus.pending()

    def system(self, **settings: Any) -> AgentOperatingSystem:
        """A host, as yet unopened."""
        common = {"data_dir": self.folder, "crash_limit": CRASH_LIMIT, "log_level": "CRITICAL", **settings}
        if self.database_url:
            lease = {"lease_seconds": LEASE_SECONDS, "database_schema": self.database_schema}
            from AgentOperatingSystem.proof.kill.on_postgres import PostgresSystem  # loads asyncpg

            return PostgresSystem(AOSConfig(**common, **lease, database_url=self.database_url))
        if self.storage:
            from AgentOperatingSystem.proof.kill.on_azure import azure_system  # loads the SDK

            kind = azure_system(self.storage_prefix)
            return kind(AOSConfig(**common, store="azure", bus="storage_queue", storage_connection_string=self.storage))
        return (SplitSystem if self.split else FusedSystem)(AOSConfig(**common))
