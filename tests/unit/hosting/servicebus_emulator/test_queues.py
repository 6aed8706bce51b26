"""Queues, asked by the vendor's SDK over loopback."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
)

from tests.servicebus import Desk, received, texts

Properties = dict[str | bytes, int | float | bytes | bool | str | UUID]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Desk]:
    async with Desk.opened() as opened:
        yield opened


@pytest.fixture
def desk(server: Desk) -> Desk:
    return server.renew()


async def test_a_message_comes_as_it_was_sent_and_is_gone_when_completed(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    properties: Properties = {"n": 1, "text": "ä", "half": 0.5, "yes": True}
    await sender.send_messages(
        ServiceBusMessage(
            b"\x00body", message_id="m1", subject="s", correlation_id="c", application_properties=properties
        )
    )
    (message,) = await received(receiver)
    assert b"".join(message.body) == b"\x00body"
    assert (message.message_id, message.subject, message.correlation_id) == ("m1", "s", "c")
    assert message.application_properties == {b"n": 1, b"text": "ä".encode(), b"half": 0.5, b"yes": True}
    assert (message.delivery_count, message.sequence_number) == (0, 1)
    await receiver.complete_message(message)
    assert await receiver.peek_messages(10, sequence_number=1) == []


async def test_batches_and_lists_keep_their_order(desk: Desk) -> None:
    sender, receiver = await desk.both("plain", prefetch_count=50)
    batch = await sender.create_message_batch()
    for number in range(5):
        batch.add_message(ServiceBusMessage(str(number)))
    await sender.send_messages(batch)
    await sender.send_messages([ServiceBusMessage(str(number)) for number in range(5, 30)])
    found: list[str] = []
    while len(found) < 30:
        found += await texts(receiver, 30)
    assert found == [str(number) for number in range(30)]


async def test_an_abandoned_message_comes_again_until_it_is_a_dead_letter(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    await sender.send_messages(ServiceBusMessage("poison"))
    for attempt in range(3):
        (message,) = await received(receiver)
        assert message.delivery_count == attempt
        await receiver.abandon_message(message)
    assert await received(receiver) == []
    dead = await desk.receiver("plain", sub_queue=ServiceBusSubQueue.DEAD_LETTER)
    (letter,) = await received(dead)
    assert letter.dead_letter_reason == "MaxDeliveryCountExceeded"
    await dead.complete_message(letter)


async def test_dead_letters_say_why(desk: Desk) -> None:
    (sender, receiver), dead = await asyncio.gather(desk.both("plain"), desk.receiver("plain", sub_queue="deadletter"))
    await sender.send_messages(ServiceBusMessage("bad", application_properties={"kept": "yes"}))
    (message,) = await received(receiver)
    await receiver.dead_letter_message(message, reason="odd", error_description="it is odd")
    (letter,) = await received(dead)
    assert (letter.dead_letter_reason, letter.dead_letter_error_description) == ("odd", "it is odd")
    assert (letter.application_properties or {})[b"kept"] == b"yes"
    await dead.abandon_message(letter)
    assert await texts(dead) == ["bad"]


async def test_a_deferred_message_is_had_by_its_number(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    await sender.send_messages(ServiceBusMessage("later"))
    (message,) = await received(receiver)
    await receiver.defer_message(message)
    assert await received(receiver, seconds=0.2) == []
    (again,) = await receiver.receive_deferred_messages([message.sequence_number or 0])
    assert (str(again), again.state) == ("later", ServiceBusMessageState.DEFERRED)
    await receiver.complete_message(again)
    with pytest.raises(ServiceBusError):
        await receiver.receive_deferred_messages([message.sequence_number or 0])


async def test_a_lost_lock_is_told_and_its_message_comes_again(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    await sender.send_messages(ServiceBusMessage("slow"))
    (message,) = await received(receiver)
    await desk.later(61)
    (again,) = await received(receiver)
    assert (str(again), again.delivery_count) == ("slow", 1)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(message)
    await receiver.complete_message(again)


async def test_a_renewed_lock_holds(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    await sender.send_messages(ServiceBusMessage("slow"))
    (message,) = await received(receiver)
    before = message.locked_until_utc
    await desk.later(40)
    assert await receiver.renew_message_lock(message) > (before or datetime.now(UTC))
    await desk.later(40)
    await receiver.complete_message(message)
    assert await receiver.peek_messages(sequence_number=1) == []


async def test_locks_outlive_their_receivers(desk: Desk) -> None:
    sender = await desk.sender("plain")
    first = await desk.receiver("plain")
    await sender.send_messages(ServiceBusMessage("held"))
    await received(first)
    await first.close()
    second = await desk.receiver("plain")
    assert await received(second, seconds=0.2) == []
    await desk.later(61)
    assert await texts(second) == ["held"]


async def test_what_was_only_prefetched_goes_back_uncounted(desk: Desk) -> None:
    sender = await desk.sender("plain")
    await sender.send_messages([ServiceBusMessage(str(number)) for number in range(5)])
    first = await desk.receiver("plain", prefetch_count=5)
    assert [str(each) for each in await received(first, 1)] == ["0"]
    await first.close()
    second = await desk.receiver("plain")
    back: list[tuple[str, int | None]] = []
    while len(back) < 4:
        back += [(str(each), each.delivery_count) for each in await received(second, 5, 0.2)]
    assert [each for each in back if each[0] != "0"] == [("1", 0), ("2", 0), ("3", 0), ("4", 0)]


async def test_scheduled_messages_come_at_their_time_unless_cancelled(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    due = desk.due_in(100)
    kept, cancelled = await sender.schedule_messages([ServiceBusMessage("kept"), ServiceBusMessage("not")], due)
    await sender.send_messages(ServiceBusMessage("too", scheduled_enqueue_time_utc=due))
    peeked = await receiver.peek_messages(10)
    assert [each.state for each in peeked] == [ServiceBusMessageState.SCHEDULED] * 3
    await sender.cancel_scheduled_messages(cancelled)
    with pytest.raises(ServiceBusError):
        await sender.cancel_scheduled_messages(cancelled)
    assert await received(receiver, seconds=0.2) == []
    await desk.later(101)
    assert await texts(receiver) == ["kept", "too"]
    assert kept != cancelled


async def test_a_message_whose_time_is_over_is_a_dead_letter(desk: Desk) -> None:
    sender, dead = await desk.both("short", sub_queue="deadletter")
    await sender.send_messages(ServiceBusMessage("own", time_to_live=timedelta(seconds=10)))
    await sender.send_messages(ServiceBusMessage("queue's", time_to_live=timedelta(hours=10)))
    await desk.later(11)
    (first,) = await received(dead)
    assert (str(first), first.dead_letter_reason) == ("own", "TTLExpiredException")
    await desk.later(20)
    assert [str(each) for each in await received(dead)] == ["queue's"]


async def test_the_same_message_id_counts_once_within_the_window(desk: Desk) -> None:
    sender, receiver = await desk.both("once")
    for text in ("first", "again"):
        await sender.send_messages(ServiceBusMessage(text, message_id="same"))
    assert await texts(receiver) == ["first"]
    await desk.later(21)
    await sender.send_messages(ServiceBusMessage("after", message_id="same"))
    assert await texts(receiver) == ["after"]


async def test_forwarding(desk: Desk) -> None:
    (failing, worker), relay, receiver = await asyncio.gather(
        desk.both("failing"), desk.sender("relay"), desk.receiver("plain")
    )
    await relay.send_messages(ServiceBusMessage("relayed"))
    await failing.send_messages(ServiceBusMessage("failed"))
    (message,) = await received(worker)
    await worker.abandon_message(message)
    first, second = await received(receiver, 2)
    assert [str(first), str(second)] == ["relayed", "failed"]
    assert second.dead_letter_source == desk.name("failing")
    with pytest.raises(ServiceBusError):
        await desk.receiver("relay")


async def test_receive_and_delete_deletes(desk: Desk) -> None:
    sender = await desk.sender("plain")
    receiver = await desk.receiver("plain", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
    await sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
    assert [str(each) for each in await received(receiver, 2)] == ["a", "b"]
    assert await receiver.peek_messages(sequence_number=1) == []


async def test_large_messages_and_too_large_ones(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    body = bytes(range(256)) * 800
    await sender.send_messages(ServiceBusMessage(body))
    (message,) = await received(receiver, seconds=2)
    assert b"".join(message.body) == body
    await receiver.complete_message(message)
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages(ServiceBusMessage(bytes(270_000)))
    await sender.send_messages(ServiceBusMessage("goes on"))
    assert await texts(receiver) == ["goes on"]


async def test_a_full_queue_refuses(desk: Desk) -> None:
    sender = await desk.sender("plain")
    for _ in range(4):
        await sender.send_messages(ServiceBusMessage(bytes(240_000)))
    with pytest.raises(ServiceBusQuotaExceededError):
        await sender.send_messages(ServiceBusMessage(bytes(240_000)))


async def test_an_entity_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        await desk.receiver("nowhere")


async def test_with_keys_a_wrong_one_is_refused() -> None:
    async with Desk.opened(keys={"owner": "secret"}) as desk:
        sender = await desk.sender("plain")
        await sender.send_messages(ServiceBusMessage("let in"))
        wrong = desk.bus.connection_string().replace("secret", "guess")
        desk.client = AsyncClient.from_connection_string(wrong, retry_total=0)
        with pytest.raises(ServiceBusAuthenticationError):
            await desk.sender("plain")


def _in_turn(connection_string: str, queue: str) -> list[str]:
    with ServiceBusClient.from_connection_string(connection_string, retry_total=0) as client:
        with client.get_queue_sender(queue) as sender:
            sender.send_messages([ServiceBusMessage("one"), ServiceBusMessage("two")])
        with client.get_queue_receiver(queue) as receiver:
            found = receiver.receive_messages(max_message_count=2, max_wait_time=2)
            for each in found:
                receiver.complete_message(each)
            return [str(each) for each in found]


async def test_the_synchronous_client(desk: Desk) -> None:
    assert await asyncio.to_thread(_in_turn, desk.bus.connection_string(), desk.name("plain")) == ["one", "two"]


async def test_broken_clients_cost_nobody_else_anything(desk: Desk) -> None:
    sender, receiver = await desk.both("plain")
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\x00\x01\x00\x00\x00\x00\x00\x08\x02\x00",
        b"AMQP\x00\x01\x00\x00" * 9,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.bus.port)
        writer.write(garbage)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    await sender.send_messages(ServiceBusMessage("fine"))
    assert await texts(receiver) == ["fine"]
