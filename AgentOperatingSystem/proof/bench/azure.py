"""The store on Azure in the benchmark: this system on tables, and the SDK's own transaction beside it.

`aos` is the system as shipped, its broker in memory, so that what is measured is the store. `floor_sdk` does what a
careful program does with the vendor's SDK alone: the agent's row conditional on its ETag, the event's row and the
output's row in one transaction; no check for duplicates but the insert, no mailbox, no kernel. Both count what they
send.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import TransactionOperation, UpdateMode
from azure.data.tables.aio import TableClient

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.engines import Engines, Opened
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.proof.bench.aos import Aos, Worker
from AgentOperatingSystem.proof.bench.azure_names import COUNTED
from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state
from AgentOperatingSystem.storage.azure.account import Account
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.store import AzureAgentStore
from AgentOperatingSystem.storage.azure.transport import Transport
from AgentOperatingSystem.storage.records import Change, Head

_FILLING_AT_ONCE = 32


def kind_of(request: Any) -> str:
    """What the service bills a request as."""
    if "DataServiceVersion" not in request.headers:
        return "blob_reads" if request.method in ("GET", "HEAD") else "blob_writes"
    if request.url.endswith("$batch"):
        return "transactions"
    return "reads" if request.method == "GET" else "writes"


class CountingTransport(Transport):
    """Ours, and counts."""

    def __init__(self, sent: "Counter[str]") -> None:
        super().__init__()
        self._sent = sent

    async def send(self, request: Any, **config: Any) -> Any:
        self._sent[kind_of(request)] += 1
        return await super().send(request, **config)


class PlainTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK loads it lazily, so its type is not known
    """The SDK's, and counts."""

    def __init__(self, sent: "Counter[str]") -> None:
        super().__init__()
        self._sent = sent

    async def send(self, request: Any, **config: Any) -> Any:
        self._sent[kind_of(request)] += 1
        return await super().send(request, **config)


class Carrier(MemoryBus):
    """A broker that costs nothing and keeps nothing."""

    commits = 0

    def __init__(self, *given: Any, **limits: Any) -> None:
        super().__init__(*given, **limits)
        self.watchers = Watchers()

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        return []

    async def last_publication(self) -> int:
        return 0

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Nothing was kept."""


class CountedEngines(Engines):
    """Tables of their own, under a transport that counts."""

    sent: ClassVar["Counter[str]"] = Counter()

    async def on_azure(self, bus: str) -> Opened:
        text, prefix = _connection_string(self._config), f"b{uuid4().hex[:20]}"
        account = Account.by_connection_string(
            text, Calls(self._clock), prefix, lambda: CountingTransport(CountedEngines.sent)
        )
        await account.create()
        store = AzureAgentStore(account)
        return Opened(store, account.blobs, Carrier(self._clock, self._copies, pending_max=100_000))


class System(AgentOperatingSystem):
    """As shipped, counted."""

    engines = CountedEngines


class AosAzure(Aos):
    """The `aos` contestant on tables."""

    async def start(self, folder: Path, agents: int) -> None:
        hour = {"subscriptions_refresh_seconds": 3600}  # what others have subscribed is read beside the events
        config = AOSConfig(data_dir=folder, store="azure", bus="embedded", **hour)
        self._aos = System(config)
        await self._aos.initialize()
        await self._aos.register_agent(Worker)
        store, state = self._aos.parts.store, json.dumps(new_state()).encode()
        line = asyncio.Semaphore(_FILLING_AT_ONCE)

        async def fill(number: int) -> None:
            async with line:
                head = Head(agent=AgentId("worker", str(number)), version=1, state=state)
                await store.commit(Change(head=head, etag=""))

        await asyncio.gather(*(fill(number) for number in range(agents)))

    def counters(self) -> Mapping[str, float]:
        return {name: float(CountedEngines.sent[name]) for name in COUNTED}


class FloorSdk:
    """The `floor_sdk` contestant."""

    name = "floor_sdk"

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._awake: dict[int, tuple[State, str]] = {}
        self._lines: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._client: TableClient | None = None

    async def start(self, folder: Path, agents: int) -> None:
        text, table = _connection_string(AOSConfig(data_dir=folder)), f"b{uuid4().hex[:20]}"
        self._client = TableClient.from_connection_string(text, table, transport=PlainTransport(self._sent))
        await self._client.create_table()
        state = json.dumps(new_state())
        for number in range(agents):
            made = await self._client.create_entity({"PartitionKey": f"{number}", "RowKey": "head", "state": state})
            self._awake[number] = new_state(), made["etag"]

    async def process(self, agent_number: int, event_id: str, text: str) -> Counted:
        """One event of an agent after the other, as its ETag asks; agents beside each other."""
        assert self._client is not None
        async with self._lines[agent_number]:
            state, etag = self._awake[agent_number]
            result = handle(state, text)
            done = json.dumps(result)
            head, event, output = ({"PartitionKey": f"{agent_number}", "RowKey": row} for row in _rows(event_id))
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "mode": UpdateMode.REPLACE}
            answers = await self._client.submit_transaction(
                [
                    (TransactionOperation.UPDATE, head | {"state": json.dumps(state)}, condition),
                    (TransactionOperation.CREATE, event | {"text": text, "result": done}),
                    (TransactionOperation.CREATE, output | {"body": done}),
                ]
            )
            self._awake[agent_number] = state, str(answers[0]["etag"])
            return result

    async def state(self, agent_number: int) -> State:
        assert self._client is not None
        found = await self._client.get_entity(f"{agent_number}", "head")
        kept: State = json.loads(found["state"])
        return kept

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()

    def counters(self) -> Mapping[str, float]:
        return {name: float(self._sent[name]) for name in COUNTED}


def _rows(event_id: str) -> tuple[str, str, str]:
    return "head", f"event {event_id}", f"output {event_id}"


def _connection_string(config: AOSConfig) -> str:
    assert config.storage_connection_string is not None
    return config.storage_connection_string.get_secret_value()
