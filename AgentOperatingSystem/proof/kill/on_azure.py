"""The system on tables and a queue with traps at each step of the way; `points.Setup` chooses it.

Nothing rides in the commit here: outputs are sent behind it, and the letter is dropped behind them. Each campaign has a
table, containers and a queue of its own.
"""

import asyncio
from collections.abc import Sequence

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.engines import Engines, Opened
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus
from AgentOperatingSystem.messaging.azure.opening import posted
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.proof.kill.points import Trap
from AgentOperatingSystem.storage.azure.account import Account
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.store import AzureAgentStore
from AgentOperatingSystem.storage.records import Change, Committed, Head

VISIBILITY_SECONDS = 2.0
"""So soon after its death a host's letters are seen again."""


class TrappedAzureStore(AzureAgentStore):
    """The store on tables with traps around the head's read and the commit."""

    async def load(self, agent: AgentId) -> tuple[Head, str] | None:
        found = await super().load(agent)
        Trap.step("loaded")
        return found

    async def commit(self, change: Change) -> Committed:
        Trap.step("before commit")
        committed = await super().commit(change)
        Trap.step("after commit")
        return committed


class TrappedQueueBus(StorageQueueBus):
    """The bus on a queue with traps around what leaves after a commit, and around the settling."""

    async def send(self, messages: Sequence[Message]) -> None:
        Trap.step("before relay")
        await super().send(messages)
        Trap.step("after relay")

    async def settle(self, turn: Turn) -> None:
        Trap.step("before settle")
        await super().settle(turn)
        Trap.step("after settle")


class TrappedEngines(Engines):
    """Tables and a queue under a name of the campaign's own."""

    prefix = "aos"

    async def on_azure(self, bus: str) -> Opened:
        assert self._config.storage_connection_string is not None
        text = self._config.storage_connection_string.get_secret_value()
        calls = Calls(self._clock)
        account = Account.by_connection_string(text, calls, self.prefix)
        await account.create()
        post = await posted(self._config, calls, self.prefix)
        limits = {"turn_events_max": self._config.turn_events_max, "pending_max": self._config.max_pending_events}
        carrier = TrappedQueueBus(
            post,
            self._clock,
            self._copies,
            visibility_seconds=VISIBILITY_SECONDS,
            poll_seconds_min=0.02,
            poll_seconds_max=0.2,
            **limits,
        )
        return Opened(TrappedAzureStore(account), account.blobs, carrier, is_shared=True)


def azure_system(prefix: str) -> type[AgentOperatingSystem]:
    """The system on the table and the queue of this name."""
    engines = type("CampaignEngines", (TrappedEngines,), {"prefix": prefix})
    return type("AzureSystem", (AgentOperatingSystem,), {"engines": engines})


def steps_of(text: str, prefix: str, agent: AgentId, beginning: str) -> list[bytes]:
    """An agent's steps whose names begin so, read past every host."""
    return asyncio.run(_steps_of(text, prefix, agent, beginning))


async def _steps_of(text: str, prefix: str, agent: AgentId, beginning: str) -> list[bytes]:
    store = AzureAgentStore(Account.by_connection_string(text, Calls(SystemClock()), prefix))
    try:
        page = await store.rows(agent, "step", beginning, limit=1000)
        return [row.value for row in page.items if row.value is not None]
    finally:
        await store.close()
