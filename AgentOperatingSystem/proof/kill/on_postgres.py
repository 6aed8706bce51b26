"""The system on PostgreSQL with traps at each step of the way; `points.Setup` chooses it."""

from collections.abc import Sequence
from typing import Any

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.engines import Engines, Opened
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.postgres.bus import PostgresBus
from AgentOperatingSystem.messaging.postgres.opening import opened
from AgentOperatingSystem.proof.kill.points import Trap, trapped
from AgentOperatingSystem.storage.postgres.store import PostgresAgentStore


class TrappedPostgresStore(PostgresAgentStore):
    """The store on PostgreSQL with traps around the head's read and the commit."""

    load = trapped(PostgresAgentStore.load, after="loaded")
    commit = trapped(PostgresAgentStore.commit, "before commit", "after commit")


class TrappedPostgresBus(PostgresBus):
    """The bus on PostgreSQL with traps where a commit is known to be done, and around the settling."""

    def carried(
        self, agent: AgentId, messages: Sequence[Message], receipts: Sequence[str], answer: Sequence[Any]
    ) -> None:
        Trap.step("before relay")
        super().carried(agent, messages, receipts, answer)
        Trap.step("after relay")

    def _done(self, agent: AgentId, receipts: Sequence[str], answer: Sequence[Any]) -> None:
        Trap.step("before settle")
        super()._done(agent, receipts, answer)
        Trap.step("after settle")


class TrappedEngines(Engines):
    """State, mailbox and outbox in one database, for hosts that share nothing else."""

    async def on_postgres(self) -> Opened:
        types = (TrappedPostgresStore, TrappedPostgresBus)
        return Opened(*await opened(self._config, self._clock, self._copies, *types))


class PostgresSystem(AgentOperatingSystem):
    """A host on `TrappedEngines`."""

    engines = TrappedEngines
