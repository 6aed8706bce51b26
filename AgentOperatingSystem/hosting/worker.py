"""The stand-alone worker: what `aos worker` runs, in a container. It takes turns from the configured broker, and has no
door but one for its health.

    app → system → turns … SIGTERM or SIGINT → no new turn, those under way end → the broker gets back what is held
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any, Final

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.config.carriers import bus_of, store_of
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting import garbage, preloading
from AgentOperatingSystem.hosting.watchdog import Watchdog
from AgentOperatingSystem.observability import logs

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
HEAD_SECONDS_MAX: Final = 5.0
Say = Callable[[str], object]
_log = logging.getLogger(__name__)


def work(config: AOSConfig, app_spec: str | None, *, health_port: int | None, say: Say) -> None:
    """Handles turns until SIGTERM or SIGINT, and then those under way, within `drain_timeout_seconds`.

    A second signal ends the process at once. `health_port` is where `GET /health` answers 200, and 503 while it drains;
    0 takes a free one, None none. Raises `ConfigurationError`: no app, one that cannot be loaded, a port that is taken.
    """
    spec = app_spec or config.app
    if spec is None:
        raise ConfigurationError("which agents? name a file or a module: aos worker app.py, or set AOS_APP")
    logs.configure(config.log_level)
    logs.register_secrets(*config.secret_values())
    asyncio.run(Worker(config, load_app(spec), say).run(health_port))


class Worker:
    """One run of the system without doors."""

    def __init__(self, config: AOSConfig, app: ModuleType, say: Say) -> None:
        self._config = config
        self._app = app
        self._say = say
        self._stopping = asyncio.Event()

    async def run(self, health_port: int | None) -> None:
        """Handles turns until a signal."""
        async with AgentOperatingSystem(self._config) as aos, self._health(aos, health_port):
            names = await aos.register_app(self._app)
            self._listen_to_signals()
            aos.start()
            garbage.calm()
            watchdog = Watchdog(aos.kernel.watch, limit_seconds(aos))
            watchdog.start()
            loading = preloading.begin(aos.registry.types(), aos.config.model)
            self._say(f"agents: {', '.join(names)}; state: {store_of(self._config)}; broker: {bus_of(self._config)}")
            try:
                await self._stopping.wait()
                self._say("draining: turns under way come to their end (once more to quit at once)")
                late = await aos.drain()
            finally:
                loading.cancel()
                watchdog.stop()
            if late:
                _log.warning("%d turns were broken off; their events are handled again", late)
        self._say("stopped")

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            loop.add_signal_handler(each, self._on_signal, each)

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set():
            os._exit(128 + number)
        self._stopping.set()

    @asynccontextmanager
    async def _health(self, aos: AgentOperatingSystem, port: int | None) -> AsyncIterator[None]:
        if port is None:
            yield
            return

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(HEAD_SECONDS_MAX):
                    writer.write(_answer(await reader.readline(), self._status(aos)))
                    await writer.drain()
            writer.close()

        try:
            server = await asyncio.start_server(answer, self._config.host, port)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on port {port}: {error.strerror or error}") from None
        async with server:
            self._say(f"health on http://{self._config.host}:{server.sockets[0].getsockname()[1]}/health")
            yield

    def _status(self, aos: AgentOperatingSystem) -> dict[str, Any]:
        status = "draining" if self._stopping.is_set() else "ok"
        return {"status": status, "running": len(aos.kernel.watch), "agents_in_memory": len(aos.kernel.warm)}


def limit_seconds(aos: AgentOperatingSystem) -> float:
    """The longest that any handler may take."""
    own = (kind.turn_timeout_seconds or 0.0 for kind in aos.registry.types())
    return max(aos.config.turn_timeout_seconds, *own)


def _answer(request: bytes, status: dict[str, Any]) -> bytes:
    """An HTTP answer to a request line."""
    found = request.split()[:2] == [b"GET", b"/health"]
    code = ("200 OK" if status["status"] == "ok" else "503 Service Unavailable") if found else "404 Not Found"
    body = json.dumps(status if found else {"error": "only GET /health is answered here"}).encode()
    head = (
        f"HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
