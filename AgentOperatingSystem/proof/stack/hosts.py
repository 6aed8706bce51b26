"""The attacked processes: two Functions hosts with the real `function_app.py`, a worker that receives by itself, and
the broker. Each is started again whenever it dies.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from AgentOperatingSystem.config.process import environment_with
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.azure_local.parts import Part
from AgentOperatingSystem.hosting.azure_local.stack import AOS
from AgentOperatingSystem.proof.kill.run import HostsDoNotLive
from AgentOperatingSystem.proof.stack.agents import POINTS

FUNCTIONS, WORKER = "functions", "worker"
READY_SECONDS: Final = 90.0
DRAIN_SECONDS: Final = 45.0
COUNTDOWN_MAX: Final = 12
STILLBORN_MAX: Final = 5
APP = """from AgentOperatingSystem.proof.stack.agents import AGENTS, set_trap

agents = AGENTS
set_trap({point!r}, {countdown})
"""


class Host:
    """One place for a host, over all its lives."""

    def __init__(self, name: str, kind: str, folder: Path, app_folder: Path, settings: dict[str, str]) -> None:
        self.name = name
        self.url = ""
        """Empty while it has no doors."""
        self.is_up = False
        self.is_frozen = False
        self._kind = kind
        self._folder = folder
        self._app_folder = app_folder
        self._settings = settings
        self._part: Part | None = None
        self._cause = ""

    async def live(self, kills: Counter[str], chance: random.Random, is_over: Callable[[], bool]) -> None:
        """One life after the other; each that ends by force is counted. Raises `HostsDoNotLive`."""
        stillborn = 0
        while not is_over():
            point = min(POINTS, key=lambda name: kills[name]) if chance.random() < 0.5 else ""
            try:
                await self._be_born(point, chance.randint(1, COUNTDOWN_MAX))
                stillborn = 0
                await self._live_on("" if point else "at random", chance, is_over)
            except ConfigurationError as error:  # it died before it was ready
                stillborn += not self._cause
                if stillborn > STILLBORN_MAX:
                    raise HostsDoNotLive(f"{self.name}: {error}; see {self._folder}/{self.name}.log") from None
            if self._part is not None and self._part.status == -signal.SIGKILL:
                kills[self._cause or point or "at random"] += 1
            self.url, self.is_up, self._cause = "", False, ""
            await self._bury()
        await self._be_born("", 1)

    def freeze(self) -> bool:
        """SIGSTOP; False where there is nobody to stop."""
        if self._part is None or not self.is_up:
            return False
        self.is_frozen = True
        os.kill(self._part.pid, signal.SIGSTOP)
        return True

    def thaw(self) -> None:
        """SIGCONT, where it still lives."""
        self.is_frozen = False
        if self._part is not None and self._part.status is None:
            os.kill(self._part.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Drains and ends it."""
        if self._part is not None:
            await self._part.stop(DRAIN_SECONDS)
            self._part = None

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _be_born(self, point: str, countdown: int) -> None:
        app = self._folder / f"{self.name}_app.py"
        app.write_text(APP.format(point=point, countdown=countdown))
        settings = self._settings | {"AOS_APP": str(app), "AOS_DATA_DIR": str(self._folder / self.name)}
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._part = await Part.start(
                self.name, self._command(app), environment_with(settings), errors=log.fileno()
            )

        def hears(line: str) -> bool:
            _, _, said = line.partition("listening on ")
            self.url = said.partition(",")[0]
            return bool(self.url) or (self._kind == WORKER and line.startswith("agents:"))

        await self._part.until(hears, READY_SECONDS)
        self.is_up = True

    def _command(self, app: Path) -> list[str]:
        if self._kind == FUNCTIONS:
            return [sys.executable, *AOS, "functions", "up", "--folder", str(self._app_folder), "--port", "0"]
        return [sys.executable, *AOS, "worker", str(app)]

    async def _live_on(self, cause: str, chance: random.Random, is_over: Callable[[], bool]) -> None:
        """Until a trap strikes, or it is killed after a while."""
        assert self._part is not None
        seconds = chance.uniform(0.5, 5.0) if cause else 20.0
        try:
            await asyncio.wait_for(self._part.ended(), seconds)
        except TimeoutError:
            if is_over() or self.is_frozen:
                return
            self._cause = "at random"
            self._part.kill()
            await self._part.ended()

    async def _bury(self) -> None:
        if self._part is not None:
            await self._part.stop(0.0 if self.is_frozen else DRAIN_SECONDS)
            self._part = None


class Broker:
    """The broker's process, behind the proxy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._part: Part | None = None

    async def start(self) -> int:
        """Starts it on the state in its folder; its port."""
        command = [sys.executable, "-m", "AgentOperatingSystem.proof.stack.broker", str(self._folder)]
        self._part = await Part.start("the broker", command, environment_with({}))
        ports: list[int] = []

        def hears(line: str) -> bool:
            ports.append(int(line.rpartition(" ")[2]))
            return True

        await self._part.until(hears, READY_SECONDS)
        return ports[0]

    async def kill(self) -> None:
        """SIGKILL, now."""
        if self._part is not None:
            self._part.kill()
            await self._part.stop(0.0)
            self._part = None
