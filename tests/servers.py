"""A real HTTP server on loopback, in the test's own loop, and what comes out of a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx2
from fastapi import FastAPI

from AgentOperatingSystem.hosting.server import Server, listen, url_of


class Sent(NamedTuple):
    """One server-sent event."""

    id: str
    event: str
    data: str


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serves `app` on a free port of loopback, and answers its URL."""
    listener = listen("127.0.0.1", 0)
    server = Server(app, on_start=lambda: None, on_signal=lambda: None)
    running = asyncio.create_task(server._serve([listener]))  # not `serve`, which would take over the test's signals
    try:
        yield url_of(listener, "127.0.0.1")
    finally:
        app.state.door.drain()
        server.should_exit = True
        await running


async def events_of(answer: httpx2.Response) -> AsyncIterator[Sent]:
    """The events of a stream as they come; comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if "data" in fields:
                yield Sent(fields.get("id", ""), fields.get("event", ""), fields["data"])
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


async def first(answer: httpx2.Response, count: int, seconds: float = 10.0) -> list[Sent]:
    """The first so many events of a stream."""

    async def read() -> list[Sent]:
        found: list[Sent] = []
        async for event in events_of(answer):
            found.append(event)
            if len(found) == count:
                break
        return found

    return await asyncio.wait_for(read(), seconds)
