"""Sessions, asked by the vendor's SDK over loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusSender
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from tests.servicebus import Desk, received, texts

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Desk]:
    async with Desk.opened() as opened:
        yield opened


@pytest.fixture
def desk(server: Desk) -> Desk:
    return server.renew()


async def send(sender: ServiceBusSender, session: str, *bodies: str) -> None:
    await sender.send_messages([ServiceBusMessage(each, session_id=session) for each in bodies])


async def test_a_session_has_its_messages_in_order_and_one_holder(desk: Desk) -> None:
    sender = await desk.sender("mailbox")
    await send(sender, "a", "a1", "a2")
    await send(sender, "b", "b1")
    receiver = await desk.receiver("mailbox", session_id="a")
    with pytest.raises(SessionCannotBeLockedError):
        await desk.receiver("mailbox", session_id="a")
    await send(sender, "a", "a3")
    assert await texts(receiver) + await texts(receiver, seconds=0.2) == ["a1", "a2", "a3"]
    with pytest.raises(ServiceBusError):
        await sender.send_messages(ServiceBusMessage("of no session"))


async def test_what_a_session_keeps(desk: Desk) -> None:
    first = await desk.receiver("mailbox", session_id="a")
    assert await first.session.get_state() is None
    await first.session.set_state(b"halfway")
    before = first.session.locked_until_utc
    await desk.later(10)
    renewed = await first.session.renew_lock()
    assert before is not None
    assert renewed > before
    await first.close()
    second = await desk.receiver("mailbox", session_id="a")
    assert await second.session.get_state() == b"halfway"


async def test_a_closed_session_gives_its_messages_back_uncounted(desk: Desk) -> None:
    sender = await desk.sender("mailbox")
    await send(sender, "a", "one", "two")
    first = await desk.receiver("mailbox", session_id="a")
    assert len(await received(first)) == 2
    await first.close()
    second = await desk.receiver("mailbox", session_id="a")
    assert [(str(each), each.delivery_count) for each in await received(second)] == [("one", 0), ("two", 0)]


async def test_a_session_that_expires_is_taken_by_another(desk: Desk) -> None:
    sender = await desk.sender("mailbox")
    await send(sender, "a", "slow")
    first = await desk.receiver("mailbox", session_id="a")
    (message,) = await received(first)
    waiting = asyncio.create_task(desk.receiver("mailbox", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=120))
    await asyncio.sleep(0.3)
    await desk.later(61)
    second = await waiting
    (again,) = await received(second)
    assert (str(again), again.delivery_count, second.session.session_id) == ("slow", 1, "a")
    with pytest.raises(SessionLockLostError):
        await first.complete_message(message)
    await second.complete_message(again)


async def test_the_next_session_is_any_that_is_free_and_not_empty(desk: Desk) -> None:
    sender = await desk.sender("mailbox")
    with pytest.raises(OperationTimeoutError):
        await desk.receiver("mailbox", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=0.3)
    await send(sender, "a", "a1")
    held = await desk.receiver("mailbox", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5)
    waiting = asyncio.create_task(desk.receiver("mailbox", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=10))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await send(sender, "b", "b1")
    assert await texts(await waiting) == ["b1"]
    assert await texts(held) == ["a1"]


async def test_the_deferred_and_the_peeked_of_a_session(desk: Desk) -> None:
    sender = await desk.sender("mailbox")
    await send(sender, "a", "later", "now")
    await send(sender, "b", "other")
    receiver = await desk.receiver("mailbox", session_id="a")
    later, now = await received(receiver)
    await receiver.defer_message(later)
    await receiver.complete_message(now)
    assert [str(each) for each in await receiver.peek_messages(10, sequence_number=1)] == ["later"]
    (deferred,) = await receiver.receive_deferred_messages([later.sequence_number or 0])
    await receiver.complete_message(deferred)
    assert await receiver.peek_messages(10, sequence_number=1) == []
