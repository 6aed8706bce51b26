"""Clients that break the rules over sockets, of AMQP, HTTP, TLS and web sockets: the server serves the next one."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from AgentOperatingSystem.hosting.servicebus_emulator import certificate
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Holding, NamespaceSettings, QueueSettings
from scripts.servicebus_load.strangers import pester

STRANGERS = 150
QUEUES = (
    QueueSettings(name="plain"),
    QueueSettings(name="busy-sessions", holding=Holding(requires_session=True)),
    QueueSettings(name="untouched"),
)
UPGRADE = (
    b"GET /$servicebus/websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[LocalServiceBus]:
    tls = certificate.context(*certificate.own(tmp_path, datetime.now(UTC)))
    made = LocalServiceBus(NamespaceSettings(queues=QUEUES), now_seconds=time.time)
    await made.start(admin_port=0, tls=tls, tls_port=0)
    yield made
    await made.stop()


async def is_served(bus: LocalServiceBus) -> bool:
    client = ServiceBusClient.from_connection_string(bus.connection_string(), retry_total=0)
    async with (
        client,
        client.get_queue_sender("untouched") as sender,
        client.get_queue_receiver("untouched") as receiver,
    ):
        await sender.send_messages(ServiceBusMessage("well"))
        (message,) = await receiver.receive_messages(max_wait_time=5)
        await receiver.complete_message(message)
    return str(message) == "well"


async def test_strangers_break_their_own_connection_alone(
    bus: LocalServiceBus, caplog: pytest.LogCaptureFixture
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    with caplog.at_level(logging.ERROR):
        for start in range(0, STRANGERS, 25):
            await asyncio.gather(*(pester("127.0.0.1", bus.port, f"{seed}-{start + each}") for each in range(25)))
    assert await is_served(bus)
    assert [each.getMessage() for each in caplog.records if each.name.startswith("AgentOperatingSystem")] == []


async def test_strangers_at_the_other_doors(bus: LocalServiceBus) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    beginnings = (
        b"",
        UPGRADE,
        b"PUT /q HTTP/1.1\r\nContent-Length: 99\r\n\r\n<",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
    )
    assert bus.admin_port is not None
    assert bus.tls_port is not None
    left: list[asyncio.StreamWriter] = []
    for number in range(60):
        port = bus.tls_port if number % 4 == 0 else bus.admin_port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(chance.choice(beginnings) + chance.randbytes(chance.randrange(200)))
        await asyncio.sleep(0)
        writer.transport.abort() if chance.random() < 0.5 else writer.close()
        left.append(writer)
    assert await is_served(bus)
    for writer in left:  # the server has nothing to do with it: what is half closed here would end with the loop
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in left), return_exceptions=True)


async def test_a_client_that_never_reads_is_not_listened_to_for_ever(bus: LocalServiceBus) -> None:
    """Its answers stay in its own buffers: once they are full, its requests are not read any more."""
    _, writer = await asyncio.open_connection("127.0.0.1", bus.admin_port)
    request = b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n"  # whose answer repeats it twice
    sent, is_listened_to = 0, True
    while is_listened_to and sent < 20_000:
        writer.write(request * 100)
        sent += 100
        try:
            await asyncio.wait_for(writer.drain(), 1.0)
        except TimeoutError:
            is_listened_to = False
    assert not is_listened_to
    assert await is_served(bus)
    writer.transport.abort()


async def test_half_a_request_and_half_a_handshake_hold_nobody_up(bus: LocalServiceBus) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", port) for port in (bus.tls_port, bus.admin_port, bus.port)]
    waiting[1][1].write(b"\x16\x03")
    assert await is_served(bus)
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):  # our certificate is our own: whoever does not trust it goes away
        await asyncio.open_connection("localhost", bus.tls_port, ssl=context)
    for _, writer in waiting:
        writer.transport.abort()
