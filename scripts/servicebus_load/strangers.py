"""Clients that break the rules: frames with flipped bytes, cut and repeated ones, floods, and ends in the middle.

Every session of a stranger follows from its seed, so whatever took a server down can be done again.
"""

import asyncio
import contextlib
import random

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.frames import AMQP_HEADER, SASL_HEADER, frame
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Source,
    Target,
    Transfer,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, Symbol, ULong

ADDRESSES = ("plain", "busy-sessions", "plain/$management", "$cbs", "plain/$deadletterqueue", "nowhere", None)
MESSAGE = encode(Described(ULong(0x75), b"hello"))
_SECONDS = 5.0


def said(chance: random.Random) -> bytes:
    """What one stranger sends: a decent beginning most of the time, then anything."""
    out = bytearray(chance.choice((AMQP_HEADER, AMQP_HEADER, SASL_HEADER, b"GET / HTTP/1.1\r\n\r\n", b"")))
    if chance.random() < 0.9:
        out += frame(Open("stranger", max_frame_size=chance.choice((None, 0, 512, 2**32 - 1))))
        out += frame(Begin(None, 0, chance.choice((0, 10, 2**32 - 1)), 100))
    for _ in range(chance.randint(1, 40)):
        out += _one(chance)
    return bytes(out)


def _one(chance: random.Random) -> bytes:
    whole = bytearray(_frame(chance))
    lot = chance.random()
    if lot < 0.15:
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    elif lot < 0.2:
        del whole[chance.randrange(len(whole)) :]
    elif lot < 0.25:
        whole = whole * 2
    elif lot < 0.3:
        size = chance.randrange(100)
        whole = bytearray((size + 8).to_bytes(4, "big") + b"\x02\x00\x00\x00" + chance.randbytes(size))
    return bytes(whole)


def _frame(chance: random.Random) -> bytes:
    handle, number = chance.randrange(4), chance.choice((0, 1, 2, 2**32 - 1))
    session = {Symbol("com.microsoft:session-filter"): chance.choice(("s1", None))} if chance.random() < 0.5 else None
    address = chance.choice(ADDRESSES)
    records = (
        Attach(
            "link",
            handle,
            chance.random() < 0.5,
            source=Source(address, filter=session),
            target=Target(address),
            initial_delivery_count=number,
        ),
        Flow(0, number, 0, number, handle, number, number, drain=chance.random() < 0.5),
        Disposition(True, 0, number, chance.random() < 0.5, chance.choice((None, Accepted()))),
        Detach(handle),
        End(),
        Close(),
    )
    if chance.random() < 0.4:
        payload = chance.choice((b"", MESSAGE, MESSAGE[:3], chance.randbytes(50)))
        return frame(Transfer(handle, number, b"t", more=chance.random() < 0.3), payload)
    return frame(chance.choice(records))


async def pester(host: str, port: int, seed: str) -> None:
    """One stranger: says all it has to say, reads a little or nothing, and leaves with or without goodbye."""
    chance = random.Random(seed)
    reader, writer = await asyncio.open_connection(host, port)
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(said(chance))
        await asyncio.wait_for(writer.drain(), _SECONDS)
        if chance.random() < 0.5:
            await asyncio.wait_for(reader.read(1000), chance.random())
    if chance.random() < 0.5:
        writer.transport.abort()
    writer.close()
