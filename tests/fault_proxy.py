"""A bad network and a bad service before the emulator: a proxy that throttles, breaks off, is slow, and goes dark.

`emulator()` hands out the proxy's addresses where the environment says `AOS_TEST_STORAGE_FAULTS=0.05`: then every suite
that runs on Azurite runs through it, unchanged. The proxy has a thread of its own, so that tests may stop their time.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

SLOW_SECONDS = 0.3
DARK_SECONDS = 1.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-encoding"})


class Fault(Enum):
    """What happens to a request."""

    THROTTLED = "429, not carried out"
    FAILED = "500, not carried out"
    BUSY = "503, not carried out"
    DONE_TIMED_OUT = "carried out, and the answer is 500 OperationTimedOut"
    CUT = "carried out, and the connection breaks before the answer"
    UNSENT = "the connection breaks before anything is carried out"
    SLOW = "carried out late"


_ANSWERS = {
    Fault.THROTTLED: (429, "TooManyRequests"),
    Fault.FAILED: (500, "InternalError"),
    Fault.BUSY: (503, "ServerBusy"),
    Fault.DONE_TIMED_OUT: (500, "OperationTimedOut"),
}
_DONE = frozenset({Fault.DONE_TIMED_OUT, Fault.CUT, Fault.SLOW})


@dataclass
class FaultProxy:
    """One proxy for each address; all share the faults."""

    share: float
    """How many of all requests meet a fault."""
    seed: int = 1
    chooses: Callable[[], Fault | None] | None = None
    """What happens to the next request; by chance where nothing is said."""
    met: Counter[str] = field(default_factory=Counter)
    """How many requests met what."""
    dark_until: float = 0.0
    """By the monotonic clock: until then nobody gets through."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._runners: list[web.AppRunner] = []
        self._session: ClientSession | None = None

    def before(self, url: str) -> str:
        """The address of a proxy before `url`."""
        return str(self._do(self._open(URL(url))))

    def goes_dark(self, seconds: float = DARK_SECONDS) -> None:
        """Nobody gets through for so long. Not for tests whose clock is their own: their retries take no time."""
        self.dark_until = time.monotonic() + seconds
        self.met["blackout"] += 1

    def close(self) -> None:
        """Stops all of it."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self, upstream: URL) -> str:
        if self._session is None:
            timeout = ClientTimeout(total=None)
            self._session = ClientSession(connector=TCPConnector(limit=0), timeout=timeout, auto_decompress=False)
        app = web.Application(client_max_size=1 << 30)

        async def handler(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, upstream)

        app.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def _next(self) -> Fault | None:
        if self.chooses is not None:
            return self.chooses()
        if self._chance.random() >= self.share:
            return None
        return self._chance.choice(list(Fault))

    async def _answer(self, request: web.Request, upstream: URL) -> web.StreamResponse:
        body = await request.read()
        if time.monotonic() < self.dark_until:
            return _break_off(request)
        fault = self._next()
        self.met[fault.name if fault else "nothing"] += 1
        if fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        answer = await self._forward(request, body, upstream) if fault is None or fault in _DONE else None
        if fault in (Fault.CUT, Fault.UNSENT):
            return _break_off(request)
        if fault in _ANSWERS:
            return _refusal(fault)
        assert answer is not None
        return answer

    async def _forward(self, request: web.Request, body: bytes, upstream: URL) -> web.Response:
        assert self._session is not None
        url = URL(f"{upstream.origin()}{request.raw_path}", encoded=True)
        headers = CIMultiDict(request.headers)
        headers["Host"] = f"{upstream.host}:{upstream.port}"
        content = BytesIO(body) if body else None
        auto = ("Content-Type", "User-Agent")
        async with self._session.request(
            request.method, url, headers=headers, data=content, skip_auto_headers=auto
        ) as answer:
            kept = CIMultiDict(
                (name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
            )
            answered = await answer.read()
        if request.method != "HEAD":
            kept.popall("Content-Length", None)
        return web.Response(status=answer.status, body=answered, headers=kept)


def _break_off(request: web.Request) -> web.StreamResponse:
    """The client sees the connection end without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refusal(fault: Fault) -> web.Response:
    status, code = _ANSWERS[fault]
    body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"{fault.value}"}}}}}}'
    return web.Response(status=status, text=body, headers={"x-ms-error-code": code, "Content-Type": "application/json"})
