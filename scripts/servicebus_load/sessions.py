"""Many sessions at once: each has messages, and all of them are held at the same time.

The SDK opens a connection for each receiver, too dear for ten thousand of them in one process: the links are attached
by frames of our own, 200 to a connection.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.frames import AMQP_HEADER, FrameReader, frame
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Accepted,
    Attach,
    Begin,
    Disposition,
    Flow,
    Open,
    Source,
    Target,
    Transfer,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Symbol
from scripts.servicebus_load.broker import Broker, running

LINKS = 200
FRAME_BYTES_MAX = 65_536
_FILTER = Symbol("com.microsoft:session-filter")


async def held(folder: Path, sessions: int) -> dict[str, Any]:
    """Sends one message to each of `sessions` sessions, holds all of them at once, and completes each message."""
    async with running(folder, "many-sessions") as broker:
        before = broker.megabytes
        began = time.perf_counter()
        await _send(broker, sessions)
        sent = time.perf_counter()
        clients = [_Client(range(start, min(start + LINKS, sessions))) for start in range(0, sessions, LINKS)]
        await asyncio.gather(*(each.open(broker.port) for each in clients))
        while sum(each.received for each in clients) < sessions:
            await asyncio.gather(*(each.read() for each in clients if each.received < each.wanted))
        all_held, peak = time.perf_counter(), broker.megabytes
        for each in clients:
            each.complete()
        await asyncio.gather(*(each.settle() for each in clients))
        for each in clients:
            each.close()
        return {
            "sessions": sessions,
            "held_at_once": sum(each.received for each in clients),
            "send_seconds": round(sent - began, 1),
            "hold_seconds": round(all_held - sent, 1),
            "complete_seconds": round(time.perf_counter() - all_held, 1),
            "megabytes_before": before,
            "megabytes_while_held": peak,
        }


async def _send(broker: Broker, sessions: int) -> None:
    client = ServiceBusClient.from_connection_string(broker.connection_string)
    async with client, client.get_queue_sender("many-sessions") as sender:
        for start in range(0, sessions, 500):
            names = range(start, min(start + 500, sessions))
            await sender.send_messages([ServiceBusMessage("x", session_id=f"s{name}") for name in names])


class _Client:
    """One connection with a link for each of its sessions."""

    def __init__(self, names: range) -> None:
        self.wanted = len(names)
        self.received = 0
        self.settled = 0
        self._names = names
        self._ids: list[int] = []
        self._frames = FrameReader(FRAME_BYTES_MAX)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        out = bytearray(AMQP_HEADER + frame(Open("load")) + frame(Begin(None, 0, 5000, 5000)))
        for handle, name in enumerate(self._names):
            source = Source("many-sessions", filter={_FILTER: f"s{name}"})
            out += frame(Attach(f"l{handle}", handle, True, rcv_settle_mode=1, source=source, target=Target()))
            out += frame(Flow(0, 5000, 0, 5000, handle, 0, 1))
        self._writer.write(out)
        await self._reader.readexactly(len(AMQP_HEADER))

    async def read(self) -> None:
        """What comes next; counts deliveries and settlements."""
        data = await asyncio.wait_for(self._reader.read(FRAME_BYTES_MAX), 60)
        if not data:
            raise ConnectionError("the broker has closed the connection")
        self._frames.feed(data)
        for _, _, record, _ in self._frames.frames():
            if isinstance(record, Transfer):
                self.received += 1
                self._ids.append(record.delivery_id or 0)
            elif isinstance(record, Disposition):
                self.settled += 1

    def complete(self) -> None:
        for each in self._ids:
            self._writer.write(frame(Disposition(True, each, each, False, Accepted())))

    async def settle(self) -> None:
        """Until each completion is confirmed."""
        while self.settled < self.wanted:
            await self.read()

    def close(self) -> None:
        self._writer.close()
