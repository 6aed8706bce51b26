"""An event that is handed in twice while the broker hesitates: what is answered as accepted is with the broker."""

import asyncio
from collections.abc import Sequence

import pytest

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.servicebus.bus import ServiceBusBus
from AgentOperatingSystem.messaging.servicebus.ports import Inbox, Session
from AgentOperatingSystem.messaging.servicebus.records import Outgoing, Received
from tests.clocks import ManualClock


class FailingFirst:
    """A connection whose first sending hangs until it is told to fail; later ones succeed."""

    is_closed = False

    def __init__(self) -> None:
        self.fails = asyncio.Event()
        self.kept: list[str] = []
        self._calls = 0

    async def send(self, entity: str, outgoing: Sequence[Outgoing]) -> None:
        self._calls += 1
        if self._calls == 1:
            await self.fails.wait()
            raise StoreUnavailable("the connection broke")
        self.kept += [each.message_id for each in outgoing]

    async def next_session(self, queue: str, wait_seconds: float) -> Session | None:
        return None

    async def inbox(self, entity: str, *, dead_letters: bool = False) -> Inbox:
        raise StoreUnavailable("nothing is received here")

    async def peek(self, entity: str, after: int, most: int, *, dead_letters: bool = False) -> list[Received]:
        return []

    async def close(self) -> None:
        self.is_closed = True


async def test_what_is_kept_while_its_first_sending_hangs_is_sent_once_more() -> None:
    connection = FailingFirst()
    bus = ServiceBusBus(connection, ManualClock(), lambda event: ())
    message = event_message(Event(type="t", source="/s", id="1", agent=AgentId("a")))
    first = asyncio.create_task(bus.send([message]))
    await asyncio.sleep(0)
    assert await bus.find(message.id) == message
    again = asyncio.create_task(bus.keep(message))
    await asyncio.sleep(0)
    connection.fails.set()
    with pytest.raises(StoreUnavailable):
        await first
    await again
    assert connection.kept == [message.id]


async def test_what_the_broker_has_is_not_sent_again() -> None:
    connection = FailingFirst()
    connection.fails.set()
    bus = ServiceBusBus(connection, ManualClock(), lambda event: ())
    message = event_message(Event(type="t", source="/s", id="1", agent=AgentId("a")))
    with pytest.raises(StoreUnavailable):
        await bus.send([message])
    await bus.send([message])
    await bus.keep(message)
    assert connection.kept == [message.id]
