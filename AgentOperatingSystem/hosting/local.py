"""The local host: what `aos up` runs. One process, the embedded store, the HTTP doors, until a signal.

    token → app → system → server … signal → doors refuse → turns end → server → system

The doors are handed in, because `hosting` lies below `api`.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting import garbage, preloading
from AgentOperatingSystem.hosting.addresses import announced
from AgentOperatingSystem.hosting.reload import (
    Stamps,
    app_folder,
    restart,
    stamps,
    until_changed,
    wait_until_changed,
)
from AgentOperatingSystem.hosting.server import Server, listen, url_of
from AgentOperatingSystem.hosting.tokens import Token, token_of
from AgentOperatingSystem.hosting.watchdog import Watchdog
from AgentOperatingSystem.hosting.worker import limit_seconds
from AgentOperatingSystem.observability import logs, telemetry

INTERRUPTED = 130
Door = Callable[..., Any]
"""`api.create_app`: called with the system and `token=`; its `state.door.drain()` has it refuse everything new."""
Say = Callable[[str], object]
_log = logging.getLogger(__name__)


def serve(
    config: AOSConfig, app_spec: str | None = None, *, door: Door, reload: bool = False, say: Say | None = None
) -> int:
    """Serves the agents of `app_spec` (or of the setting `app`) until SIGTERM or SIGINT; answers the exit status.

    The first signal drains: the doors answer 503, turns under way end within `drain_timeout_seconds`, what waits stays
    in the file. A second one ends the process at once. With `reload`, a change of the app's files starts everything
    anew; the state stays. Raises `ConfigurationError`: no app, an app that cannot be loaded, a port that is taken, no
    token off loopback.
    """
    say = say or _say
    spec = app_spec or config.app
    if spec is None:
        raise ConfigurationError("which agents? name a file or a module: aos up app.py, or set AOS_APP")
    token = token_of(config)
    logs.configure(config.log_level, json=config.log_format == "json")
    logs.register_secrets(token.text, *config.secret_values())
    sending = telemetry.start(config)
    try:
        again = _serve_once(config, spec, token, door, say, reload)
    except KeyboardInterrupt:  # while nobody else looks after the signals: at the beginning, and while it waits
        return INTERRUPTED
    finally:
        sending.close()
    return restart() if again else 0


def _serve_once(config: AOSConfig, spec: str, token: Token, door: Door, say: Say, reload: bool) -> bool:
    """Serves until a signal or a change of the app's files; says whether to start anew."""
    folder = app_folder(spec)
    before = stamps(folder) if reload else {}
    try:
        return asyncio.run(Host(config, load_app(spec), token, door, say).run(folder, before))
    except ConfigurationError as error:
        if not reload:
            raise
        say(f"{error}\nwaiting for a change …")
        wait_until_changed(folder, before)
        return True


class Host:
    """One run of the system and its doors."""

    def __init__(self, config: AOSConfig, app: ModuleType, token: Token, door: Door, say: Say) -> None:
        self._config = config
        self._app = app
        self._token = token
        self._door = door
        self._say = say
        self._stopping = asyncio.Event()

    async def run(self, folder: Path, before: Stamps) -> bool:
        """Serves until it is told to stop; says whether that was because one of the files changed since `before`.

        Where `before` is empty, no file is watched.
        """
        with listen(self._config.host, self._config.port) as listener:
            return await self._serve(listener, folder, before)

    async def _serve(self, listener: socket.socket, folder: Path, before: Stamps) -> bool:
        async with AgentOperatingSystem(self._config) as aos:
            names = await aos.register_app(self._app)
            aos.start()
            doors = self._door(aos, token=self._token.text)
            garbage.calm()
            url = url_of(listener, self._config.host)
            greet = partial(self._greet, url, names)
            server = Server(doors, on_start=greet, on_signal=self._stopping.set)
            watchdog = Watchdog(aos.kernel.watch, limit_seconds(aos))
            watchdog.start()
            loading = preloading.begin(aos.registry.types(), aos.config.model)
            drain = asyncio.create_task(self._drain_when_told(aos, doors, server), name="aos-drain")
            change = asyncio.create_task(self._stop_when_changed(folder, before, aos), name="aos-reload")
            try:
                with announced(Path(self._config.data_dir), url):
                    await server.serve(sockets=[listener])
            finally:
                background = (change, drain, loading)
                for each in background:
                    each.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                watchdog.stop()
        return change.done() and not change.cancelled()

    async def _drain_when_told(self, aos: AgentOperatingSystem, doors: Any, server: Server) -> None:
        """The doors refuse, the turns end, then the server does."""
        await self._stopping.wait()
        self._say("draining: no new events; turns under way come to their end (once more to quit at once)")
        doors.state.door.drain()
        try:
            late = await aos.drain()
            if late:
                _log.warning("%d turns were broken off; their events are handled at the next start", late)
        finally:
            server.should_exit = True

    async def _stop_when_changed(self, folder: Path, before: Stamps, aos: AgentOperatingSystem) -> None:
        if not before:
            await asyncio.Event().wait()
        changed = await until_changed(folder, before, aos.clock)
        self._say(f"{changed.name} changed: starting again")
        self._stopping.set()

    def _greet(self, url: str, names: list[str]) -> None:
        self._say(f"listening on {url}")
        self._say(f"agents: {', '.join(names)}; data in {Path(self._config.data_dir).resolve()}")
        if self._token.is_new:
            self._say(f"token: {self._token.text} (made now and kept in {self._token.path})")
        elif self._token.path is not None:
            self._say(f"token: as kept in {self._token.path}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
