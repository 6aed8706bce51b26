"""The system of one worker process: made at the first invocation, whichever trigger that is, and shared by all.

    a trigger → running() → config → app → system → doors

A web framework's own start-up hook would run for HTTP alone. What fails to start is tried again by the next invocation,
so a store that is away for a minute costs no restart. Nothing is closed at the end: whatever matters is committed.
"""

import asyncio
from typing import ClassVar

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.config.carriers import bus_of
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting import preloading
from AgentOperatingSystem.hosting.functions.bindings import PUSHING
from AgentOperatingSystem.hosting.functions.running import Running
from AgentOperatingSystem.hosting.functions.triggers import Door
from AgentOperatingSystem.hosting.tokens import token_of
from AgentOperatingSystem.observability import logs, telemetry

EVERYWHERE = "0.0.0.0"
"""The address that the doors take themselves to listen on: who reaches them is the Functions host's decision, and the
names by which it is reached are its own."""


class Worker:
    """One per process."""

    _all: ClassVar[list["Worker"]] = []

    def __init__(self, door: Door) -> None:
        self._door = door
        self._booting: asyncio.Task[Running] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._sending: telemetry.Telemetry | None = None
        self._all.append(self)

    @classmethod
    async def close_all(cls) -> None:
        """Ends the systems of this process; for a host that shares it. Azure ends the process instead, which loses
        nothing that is committed.
        """
        for worker in cls._all:
            booting, worker._booting = worker._booting, None
            if worker._loading is not None:
                worker._loading.cancel()
            if booting is not None and not _has_failed(booting):
                await (await booting).aos.close()
            if worker._sending is not None:
                await asyncio.to_thread(worker._sending.close)
                worker._sending = None

    async def running(self) -> Running:
        """The system, made now where there is none yet. Raises `ConfigurationError`, `StoreUnavailable`."""
        if self._booting is None or _has_failed(self._booting):
            self._booting = asyncio.create_task(self._boot(), name="aos-boot")
        return await asyncio.shield(self._booting)

    async def _boot(self) -> Running:
        config = AOSConfig(host=EVERYWHERE)
        if config.app is None:
            raise ConfigurationError("which agents? set AOS_APP to a module or a file of the function app")
        token = token_of(config)
        logs.register_secrets(token.text, *config.secret_values())
        self._sending = self._sending or telemetry.start(config)
        app = load_app(config.app)
        aos = AgentOperatingSystem(config, pushed=bus_of(config) in PUSHING)
        await aos.initialize()
        try:
            await aos.register_app(app)
            aos.start()
            self._loading = preloading.begin(aos.registry.types(), aos.config.model)
            return Running(aos, self._door(aos, token=token.text))
        except BaseException:
            await aos.close()
            raise


def _has_failed(task: "asyncio.Task[Running]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
