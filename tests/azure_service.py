"""The emulator behind a transport that counts what is sent and spoils answers: the network and the service on bad days.

wire.spoil(Fault.LOST, Fault.BUSY)        what happens to the next transactions, in this order
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.messaging.azure.opening import posted
from AgentOperatingSystem.messaging.azure.post import Post
from AgentOperatingSystem.storage.azure.account import Account
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.store import AzureAgentStore
from AgentOperatingSystem.storage.azure.transport import Transport
from tests import loopback
from tests.clocks import ManualClock
from tests.emulator import emulator, fresh_prefix


class Fault(Enum):
    """What happens to one request."""

    UNSENT = "no connection"
    BUSY = "503 with Retry-After, not carried out"
    TIMED_OUT = "500 OperationTimedOut, not carried out"
    THROTTLED = "429, not carried out"
    LOST = "carried out, and the connection breaks before the answer"
    DONE_TIMED_OUT = "carried out, and the answer is 500 OperationTimedOut"
    DONE_BUSY = "carried out, and the answer is 503"


CARRIED_OUT = (Fault.LOST, Fault.DONE_TIMED_OUT, Fault.DONE_BUSY)
RETRY_AFTER_SECONDS = 7.0
_CODES = {
    Fault.BUSY: (503, "ServerBusy"),
    Fault.DONE_BUSY: (503, "ServerBusy"),
    Fault.TIMED_OUT: (500, "OperationTimedOut"),
    Fault.DONE_TIMED_OUT: (500, "OperationTimedOut"),
    Fault.THROTTLED: (429, "TooManyRequests"),
}


@dataclass
class Wire:
    """What was sent, by kind (`transaction`, `read`, `write`, `blob`), and what is to go wrong."""

    sent: Counter[str] = field(default_factory=Counter)
    bytes_max: int = 0
    """The largest transaction's body."""
    chooses: Callable[[str], Fault | None] = lambda kind: None
    spoiler_url: str = ""

    def spoil(self, *faults: Fault, kind: str = "transaction") -> None:
        """The next requests of a kind meet these, one after the other."""
        waiting = list(faults)
        self.chooses = lambda of: waiting.pop(0) if of == kind and waiting else None

    def take(self) -> dict[str, int]:
        """What was sent since the last look."""
        sent = dict(self.sent)
        self.sent.clear()
        return sent


class WiredTransport(Transport):
    """The SDK's transport with a wire that can be watched and cut."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    async def send(self, request: Any, **config: Any) -> Any:
        kind = _kind(request)
        self._wire.sent[kind] += 1
        if kind == "transaction":
            self._wire.bytes_max = max(self._wire.bytes_max, len(request.data or b""))
        fault = self._wire.chooses(kind)
        if fault is None:
            return await super().send(request, **config)
        if fault is Fault.UNSENT:
            raise ServiceRequestError("no route to host")
        if fault in CARRIED_OUT:
            await super().send(request, **config)
        if fault is Fault.LOST:
            raise ServiceResponseError("connection reset by peer")
        request.url = f"{self._wire.spoiler_url}/{fault.name}"
        return await super().send(request, **config)


def _kind(request: Any) -> str:
    if ":" + emulator().blob.rpartition(":")[2] in request.url:
        return "blob"
    if request.url.endswith("$batch"):
        return "transaction"
    return "read" if request.method == "GET" else "write"


def _spoiled(asked: loopback.Asked) -> loopback.Answer:
    status, code = _CODES[Fault[asked.target.rpartition("/")[2]]]
    body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en","value":"spoiled"}}}}}}'
    headers = {"Content-Type": "application/json", "Retry-After": f"{RETRY_AFTER_SECONDS:.0f}", "x-ms-error-code": code}
    return loopback.Answer(status, headers, body.encode())


@dataclass
class Service:
    """A store on the emulator, the wire to it, and its clock."""

    store: AzureAgentStore
    account: Account
    wire: Wire
    clock: ManualClock


@asynccontextmanager
async def service(prefix: str = "") -> AsyncIterator[Service]:
    """A store with table and containers of its own, or those of another one's prefix."""
    manual = ManualClock()
    wire = Wire()
    async with loopback.serving(_spoiled) as spoiler:
        wire.spoiler_url = spoiler.url
        calls = Calls(manual, attempts_max=4, jitter=lambda: 0.0)
        account = Account.by_connection_string(
            emulator().connection_string, calls, prefix or fresh_prefix(), lambda: WiredTransport(wire)
        )
        try:
            await account.create()
            wire.take()
            yield Service(AzureAgentStore(account), account, wire, manual)
        finally:
            await account.close()


async def queue_post(folder: Path, clock: Clock) -> Post:
    """A queue on the emulator; the folder names it, so that opening again finds what was there."""
    name = "q" + sha256(str(folder).encode()).hexdigest()[:20]
    config = AOSConfig(config_dir=folder, storage_connection_string=emulator().connection_string)
    return await posted(config, Calls(clock), name)
