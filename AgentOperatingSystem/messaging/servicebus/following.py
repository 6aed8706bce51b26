"""Those who follow publications: read back by number from a subscription that nobody receives from."""

from typing import Final

import msgspec

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging.servicebus.claims import redeemed
from AgentOperatingSystem.messaging.servicebus.ports import Connection
from AgentOperatingSystem.messaging.servicebus.publications import read
from AgentOperatingSystem.messaging.servicebus.records import Places, Received
from AgentOperatingSystem.storage.ports import BlobStore

PEEKED_MAX: Final = 250
"""How many messages are looked at at once: what the broker gives in one answer."""


class Following:
    """The log of one host's places; empty where no subscription keeps one."""

    def __init__(self, connection: Connection, places: Places, blobs: BlobStore | None) -> None:
        self._connection = connection
        self._places = places
        self._blobs = blobs
        self._last = 0

    async def behind(self, tenant: str, after: int, limit: int) -> list[tuple[int, Event]]:
        """Publications of a tenant with their numbers, behind number `after`. Raises `StoreUnavailable`."""
        found: list[tuple[int, Event]] = []
        while len(found) < limit:
            page = await self._page(after)
            if not page:
                break
            for each in page:
                event = await self._read(each)
                if event is not None and event.tenant == tenant:
                    found.append((each.sequence_number, event))
            after = page[-1].sequence_number
        return found[:limit]

    async def last(self) -> int:
        """The number of the latest publication. Raises `StoreUnavailable`."""
        while page := await self._page(self._last):
            self._last = page[-1].sequence_number
        return self._last

    async def _page(self, after: int) -> list[Received]:
        if not self._places.log:
            return []
        return await self._connection.peek(f"{self._places.topic}/{self._places.log}", after, PEEKED_MAX)

    async def _read(self, received: Received) -> Event | None:
        try:
            return read(await redeemed(received, self._blobs), self._places.topic)
        except (AOSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
