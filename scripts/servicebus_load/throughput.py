"""How many messages a second the vendor's SDK moves through the broker: 256 bytes each, one client process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage, ServiceBusReceiveMode
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

from scripts.servicebus_load.broker import Broker, running

BODY = b"x" * 256
SESSIONS = 20
_SOCKET_SECONDS = 0.01  # else the SDK waits 0.2 s for each group of completions
Measure = Callable[[ServiceBusClient, int], Awaitable[int]]


async def measured(folder: Path, messages: int, *, persist: bool) -> dict[str, Any]:
    """Each operation's messages a second, and the broker's processor time for each."""
    async with running(folder, "q", "b", "work-sessions", persist=persist) as broker:
        client = ServiceBusClient.from_connection_string(broker.connection_string)
        async with client:
            figures = {name: await _timed(broker, each, client, messages) for name, each in _MEASURES.items()}
        return {"messages": messages, "persist": persist, "megabytes": broker.megabytes, "operations": figures}


async def _timed(broker: Broker, measure: Measure, client: ServiceBusClient, messages: int) -> dict[str, float]:
    processor, began = broker.processor_seconds, time.perf_counter()
    done = await measure(client, messages)
    seconds = time.perf_counter() - began
    used = broker.processor_seconds - processor
    return {"per_second": round(done / seconds), "broker_ms_each": round(1000 * used / done, 3)}


async def _send_each(client: ServiceBusClient, messages: int) -> int:
    async with client.get_queue_sender("q") as sender:
        for _ in range(messages):
            await sender.send_messages(ServiceBusMessage(BODY))
    return messages


async def _send_batches(client: ServiceBusClient, messages: int) -> int:
    async with client.get_queue_sender("b") as sender:
        for _ in range(messages // 100):
            await sender.send_messages([ServiceBusMessage(BODY) for _ in range(100)])
    return messages // 100 * 100


async def _complete_each(client: ServiceBusClient, messages: int) -> int:
    async with client.get_queue_receiver("q", prefetch_count=200) as receiver:
        return await _completed(receiver, messages, _one_by_one)


async def _complete_together(client: ServiceBusClient, messages: int) -> int:
    half = messages // 200 * 100
    async with client.get_queue_receiver("b", prefetch_count=200, socket_timeout=_SOCKET_SECONDS) as receiver:
        return await _completed(receiver, half, _together)


async def _receive_and_delete(client: ServiceBusClient, messages: int) -> int:
    rest = messages // 100 * 100 - messages // 200 * 100
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    done = 0
    async with client.get_queue_receiver("b", receive_mode=mode, prefetch_count=500) as receiver:
        while done < rest and (found := await receiver.receive_messages(max_message_count=100, max_wait_time=5)):
            done += len(found)
    return done


async def _one_by_one(receiver: ServiceBusReceiver, found: list[Any]) -> None:
    for each in found:
        await receiver.complete_message(each)


async def _together(receiver: ServiceBusReceiver, found: list[Any]) -> None:
    await asyncio.gather(*(receiver.complete_message(each) for each in found))


async def _completed(
    receiver: ServiceBusReceiver, messages: int, complete: Callable[[ServiceBusReceiver, list[Any]], Awaitable[None]]
) -> int:
    done = 0
    while done < messages and (found := await receiver.receive_messages(max_message_count=100, max_wait_time=5)):
        await complete(receiver, found)
        done += len(found)
    return done


async def _send_to_sessions(client: ServiceBusClient, messages: int) -> int:
    each = messages // SESSIONS
    async with client.get_queue_sender("work-sessions") as sender:
        for name in range(SESSIONS):
            batch = [ServiceBusMessage(BODY, session_id=f"s{name}") for _ in range(each)]
            for start in range(0, each, 100):
                await sender.send_messages(batch[start : start + 100])
    return each * SESSIONS


async def _complete_sessions(client: ServiceBusClient, messages: int) -> int:
    """The next available session, all that is in it, and the next one: opening and closing cost the SDK a second."""

    async def one() -> int:
        async with client.get_queue_receiver(
            "work-sessions", session_id=NEXT_AVAILABLE_SESSION, prefetch_count=100, max_wait_time=5
        ) as receiver:
            return await _completed(receiver, messages // SESSIONS, _one_by_one)

    return sum(await asyncio.gather(*(one() for _ in range(SESSIONS))))


_MEASURES: dict[str, Measure] = {
    "send one at a time": _send_each,
    "send lists of 100": _send_batches,
    "receive and complete one at a time, prefetch 200": _complete_each,
    "receive and complete 100 together, prefetch 200": _complete_together,
    "receive and delete, prefetch 500": _receive_and_delete,
    f"send to {SESSIONS} sessions, lists of 100": _send_to_sessions,
    f"receive and complete in {SESSIONS} sessions at once": _complete_sessions,
}
