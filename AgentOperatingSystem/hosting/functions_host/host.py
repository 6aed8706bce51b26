"""The local Functions host: one process that loads an app, listens, and triggers its functions.

    app settings → engine → front, timers, pollers … signal → nothing new begins, what runs ends

Called by `aos functions up`. Several may run beside each other on ports of their own, as several instances do in the
cloud; the queues give each message to one of them.
"""

import asyncio
import importlib.util
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host import payloads, timers
from AgentOperatingSystem.hosting.functions_host.app_settings import AppSettings
from AgentOperatingSystem.hosting.functions_host.records import RUNTIME, Engine, Function, InvocationFailed, Payload
from AgentOperatingSystem.hosting.server import Server, listen, url_of

DRAIN_SECONDS = 30.0
ENGINES = ("auto", "runtime", "sdk")
Say = Callable[[str], object]
_log = logging.getLogger(__name__)


def engine_of(name: str = "auto") -> Engine:
    """The engine of that name (`runtime`, `sdk`); `auto` takes the official runtime where it is installed.

    Raises `ConfigurationError` where the packages are not there.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
    has_runtime = importlib.util.find_spec(RUNTIME) is not None
    try:
        if name == "runtime" or (name == "auto" and has_runtime):
            from AgentOperatingSystem.hosting.functions_host.azure.runtime_engine import RuntimeEngine

            return RuntimeEngine()
        from AgentOperatingSystem.hosting.functions_host.azure.sdk_engine import SdkEngine
    except ImportError as error:
        what = "azure-functions-runtime (Python 3.13)" if name == "runtime" else "agent-operating-system[azure]"
        raise ConfigurationError(f"{error}; install {what}") from None
    return SdkEngine()


class FunctionsHost:
    """One instance."""

    def __init__(self, folder: Path, settings: AppSettings, engine: Engine, clock: Clock | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.engine = engine
        self.clock = clock or SystemClock()
        self.id = uuid4().hex
        self.functions: Mapping[str, Function] = {}
        self.draining = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Indexes the app and begins to trigger. Raises `ConfigurationError`."""
        sys.path.insert(0, str(self.folder))
        self.functions = {each.name: each for each in await self.engine.start(self.folder)}
        for function in self.functions.values():
            self._begin(function)

    async def invoke(self, function: Function, payload: Payload, invocation_id: str = "") -> None:
        """Runs a function, for `functionTimeout` at most. Raises `InvocationFailed`."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        began = self.clock.now()
        try:
            async with asyncio.timeout(min(self.settings.function_timeout.total_seconds(), 1e8)):
                await self.engine.invoke(function, payload, invocation_id)
        except TimeoutError:
            raise InvocationFailed(f"{function.name}: ran into functionTimeout") from None
        finally:
            self._running.discard(task)
            _log.info("%s: %.0f ms", function.name, 1000 * (self.clock.now() - began))

    async def attempt(self, function: Function, payload: Payload) -> bool:
        """Runs a function and says whether it succeeded; a failure is logged."""
        try:
            await self.invoke(function, payload)
        except InvocationFailed as error:
            _log.warning("%s", error)
            return False
        return True

    async def stop(self) -> None:
        """Begins nothing more; what runs may end, within half a minute."""
        self.draining.set()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._running:
            await asyncio.wait(set(self._running), timeout=DRAIN_SECONDS)
        worker: Any = sys.modules.get("AgentOperatingSystem.hosting.functions.worker")
        if worker is not None:  # nothing was invoked otherwise
            await worker.Worker.close_all()

    # --- triggers ---------------------------------------------------------------------------------------------------

    def _begin(self, function: Function) -> None:
        trigger = function.trigger
        if function.is_on("timerTrigger"):
            schedule = self.settings.resolved(trigger["schedule"])
            timers.check(schedule)
            self._loop(timers.run(schedule, self.clock, lambda: self._tick(function)))
        elif function.is_on("queueTrigger"):
            from AgentOperatingSystem.hosting.functions_host.azure.queues import poll

            self._loop(poll(self, function))
        elif function.is_on("serviceBusTrigger"):
            from AgentOperatingSystem.hosting.functions_host.azure.servicebus import poll as receive

            self._loop(receive(self, function))
        elif not (function.is_on("httpTrigger") or function.is_on("eventGridTrigger")):
            raise ConfigurationError(f"{function.name}: the local host has no {trigger['type']}")

    async def _tick(self, function: Function) -> None:
        await self.attempt(function, payloads.timer(self.clock.now()))

    def _loop(self, loop: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(loop)
        task.add_done_callback(_say_why)
        self._loops.append(task)


def _say_why(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a trigger ended: %s", error, exc_info=error)


async def serve(host: FunctionsHost, address: str, port: int, say: Say, front: Callable[[FunctionsHost], Any]) -> None:
    """Runs a host until SIGTERM or SIGINT. Raises `ConfigurationError`."""
    with listen(address, port) as listener:
        await host.start()
        url = url_of(listener, address)
        stopping = asyncio.Event()
        server = Server(front(host), on_start=lambda: _greet(host, url, say), on_signal=stopping.set)
        ending = asyncio.create_task(_end(host, server, stopping))
        await server.serve(sockets=[listener])
        ending.cancel()


def _greet(host: FunctionsHost, url: str, say: Say) -> None:
    say(f"Functions host listening on {url}, {host.engine.name}")
    for name, function in host.functions.items():
        say(f"  {name}: {function.trigger['type']}")


async def _end(host: FunctionsHost, server: Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    try:
        await host.stop()
    finally:
        server.should_exit = True
