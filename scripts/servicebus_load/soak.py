"""Hours in minutes: clients come and go, send, complete, abandon, defer and lose locks, and memory has to stay.

Every message is accounted for at the end: what was accepted was completed once, or is a dead letter.
"""

import asyncio
import random
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import OperationTimeoutError, ServiceBusError

from scripts.servicebus_load.broker import Broker, running
from scripts.servicebus_load.strangers import pester

SESSIONS = 16
TOGETHER = 16  # sessions that are emptied at once at the end: opening and closing one costs the SDK a second
SAMPLES = 20


class Tally:
    """What was sent and what became of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.completed = 0
        self.failed_calls = 0


async def soaked(folder: Path, minutes: float, seed: int, *, persist: bool) -> dict[str, Any]:
    """Runs for so many minutes; answers the memory at equal intervals and the account of messages."""
    tally = Tally()
    async with running(folder, "plain", "busy-sessions", persist=persist) as broker:
        until = time.monotonic() + minutes * 60
        workers = [
            _sender(broker, tally, until, random.Random(f"{seed}-{number}"), queue)
            for number, queue in enumerate(("plain", "busy-sessions"))
        ]
        workers += [_receiver(broker, tally, until, random.Random(f"{seed}-r{number}")) for number in range(2)]
        workers += [_session_receiver(broker, tally, until) for _ in range(2)]
        workers.append(_pestered(broker, until, seed))
        samples = asyncio.create_task(_sampled(broker, until))
        await asyncio.gather(*workers)
        left = await _drained(broker, tally)
        memory = await samples
        return {
            "minutes": minutes,
            "seed": seed,
            "persist": persist,
            "sent": tally.sent,
            "completed": tally.completed,
            "dead_letters": left,
            "unaccounted": tally.sent - tally.completed - left,
            "failed_calls": tally.failed_calls,
            "megabytes": memory,
            "still_running": broker.is_running,
        }


async def _sampled(broker: Broker, until: float) -> list[float]:
    pause = (until - time.monotonic()) / SAMPLES
    found = []
    for _ in range(SAMPLES):
        await asyncio.sleep(pause)
        found.append(broker.megabytes)
    return found


async def _sender(broker: Broker, tally: Tally, until: float, chance: random.Random, queue: str) -> None:
    while time.monotonic() < until:
        async with _client(broker) as client, client.get_queue_sender(queue) as sender:
            for _ in range(200):
                if time.monotonic() >= until:
                    return
                batch = [
                    ServiceBusMessage(chance.randbytes(chance.choice((10, 300, 5000))), session_id=_session(chance))
                    for _ in range(chance.randint(1, 10))
                ]
                await sender.send_messages(batch)
                tally.sent += len(batch)
                await asyncio.sleep(0.02)


def _session(chance: random.Random) -> str:
    return f"s{chance.randrange(SESSIONS)}"


async def _receiver(broker: Broker, tally: Tally, until: float, chance: random.Random) -> None:
    while time.monotonic() < until:
        async with _client(broker) as client, client.get_queue_receiver("plain", prefetch_count=20) as receiver:
            for _ in range(chance.randint(5, 40)):
                for message in await receiver.receive_messages(max_message_count=20, max_wait_time=1):
                    try:
                        await _settled(receiver, message, tally, chance)
                    except ServiceBusError:
                        tally.failed_calls += 1


async def _settled(receiver: Any, message: Any, tally: Tally, chance: random.Random) -> None:
    match chance.random():
        case lot if lot < 0.9:
            await receiver.complete_message(message)
            tally.completed += 1
        case lot if lot < 0.96:
            await receiver.abandon_message(message)
        case lot if lot < 0.98:
            await receiver.dead_letter_message(message, reason="soak")
        case _:
            await receiver.defer_message(message)
            (again,) = await receiver.receive_deferred_messages(message.sequence_number)
            await receiver.complete_message(again)
            tally.completed += 1


async def _session_receiver(broker: Broker, tally: Tally, until: float) -> None:
    while time.monotonic() < until:
        async with _client(broker) as client:
            await _one_session(client, tally)


async def _one_session(client: ServiceBusClient, tally: Tally) -> None:
    made = client.get_queue_receiver("busy-sessions", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=2)
    try:
        async with made as receiver:
            await receiver.session.set_state(b"x" * 1000)
            while found := await receiver.receive_messages(max_message_count=50, max_wait_time=0.5):
                for message in found:
                    await receiver.complete_message(message)
                    tally.completed += 1
            await receiver.session.set_state(None)
    except OperationTimeoutError:
        return
    except ServiceBusError:
        tally.failed_calls += 1


async def _pestered(broker: Broker, until: float, seed: int) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        await pester("127.0.0.1", broker.port, f"{seed}-{number}")
        await asyncio.sleep(0.1)


async def _drained(broker: Broker, tally: Tally) -> int:
    """Completes all that is left, locks that must end first included; answers how many dead letters there are."""
    async with _client(broker) as client:
        while await _active(broker, "plain"):
            async with client.get_queue_receiver("plain", prefetch_count=100) as receiver:
                while found := await receiver.receive_messages(max_message_count=100, max_wait_time=2):
                    for message in found:
                        await receiver.complete_message(message)
                        tally.completed += 1
        while await _active(broker, "busy-sessions"):
            await asyncio.gather(*(_one_session(client, tally) for _ in range(TOGETHER)))
        return await _dead_letters(client)


async def _active(broker: Broker, queue: str) -> int:
    """How many messages are in a queue, locked ones too, as administration says."""
    text = await asyncio.to_thread(_got, f"{broker.admin}/{queue}")
    match = re.search(r"ActiveMessageCount[^>]*>(\d+)<", text)
    return int(match[1]) if match else 0


def _got(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


async def _dead_letters(client: ServiceBusClient) -> int:
    count = 0
    async with client.get_queue_receiver("plain", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        while found := await receiver.receive_messages(max_message_count=100, max_wait_time=1):
            for message in found:
                await receiver.complete_message(message)
                count += 1
    return count


def _client(broker: Broker) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(broker.connection_string)
