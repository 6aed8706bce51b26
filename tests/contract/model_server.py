"""A provider on this machine: a real HTTP server in a thread that gives the answers which a test has planned.

It keeps what was asked, and notices when somebody hangs up.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One planned answer: a whole body, or frames of a stream."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    media_type: str = "application/json"
    frames: Sequence[bytes] | None = None
    cut: bool = False
    """The connection breaks after the frames, instead of the stream ending."""
    hang: bool = False
    """Nothing more comes, until the other side gives up."""


class Stream(StreamingResponse):
    """Says when it is over, wherever in its frames the other side left."""

    def __init__(self, ended: threading.Event, *content: Any) -> None:
        super().__init__(*content)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended.set()


@dataclass
class ModelServer:
    """What the test plans, and what happened."""

    url: str = ""
    plan: deque[Reply] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        self.plan.clear()
        self.asked.clear()
        self.arrived.clear()
        self.hung_up.clear()

    async def answer(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append(Asked(path, dict(request.headers), json.loads(await request.body())))
        self.arrived.set()
        reply = self.plan.popleft() if len(self.plan) > 1 else self.plan[0]  # the last one is given for ever
        if reply.frames is not None:
            ended = self.hung_up if reply.hang else threading.Event()
            return Stream(ended, self._frames(reply), reply.status, reply.headers, reply.media_type)
        if reply.hang:
            await self._wait_for_hang_up(request)
        return Response(reply.body, reply.status, reply.headers, reply.media_type)

    async def _frames(self, reply: Reply) -> AsyncIterator[bytes]:
        for frame in reply.frames or ():
            yield frame
            await asyncio.sleep(0)
        if reply.cut:
            raise ConnectionAbortedError("as planned")
        if reply.hang:
            await asyncio.Event().wait()  # the response that streams this is cancelled when the other side goes

    async def _wait_for_hang_up(self, request: Request) -> None:
        """Ends when the other side has gone."""
        try:
            while (await request.receive())["type"] != "http.disconnect":
                pass
        finally:
            self.hung_up.set()


@contextmanager
def running() -> Iterator[ModelServer]:
    """The server, from the first answer that it could give to the last."""
    server = ModelServer()
    app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["POST"])])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, log_level="critical", lifespan="off")
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    while not uvicorn_server.started:
        assert thread.is_alive()
        thread.join(0.005)
    host, port = uvicorn_server.servers[0].sockets[0].getsockname()[:2]
    server.url = f"http://{host}:{port}"
    yield server
    uvicorn_server.should_exit = True
    thread.join(10)
