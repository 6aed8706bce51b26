"""`LISTEN` and `NOTIFY`: a host that sent something tells the others to look.

A notification is sent by itself and never within a commit, because PostgreSQL carries out commits that notify one
after the other. It carries no meaning: who misses one looks again within a second.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.storage.postgres.database import Database

AGAIN_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class Doorbell:
    """One host's ear and hand at the channel of its schema."""

    def __init__(self, database: Database, host: str, rung: Callable[[], None]) -> None:
        self._database = database
        self._channel = f"{database.schema}_bell"
        self._host = host
        self._rung = rung
        self._lost = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Begins to listen, and does so again whenever the connection is lost."""
        self._tasks = [
            asyncio.create_task(self._listen_forever(), name="aos-listen"),
            asyncio.create_task(self._ring_forever(), name="aos-ring"),
        ]

    def ring(self) -> None:
        """Tells the other hosts, soon; many calls are one notification."""
        self._wanted.set()

    async def close(self) -> None:
        """Lets go of the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ring_forever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._database.read("SELECT pg_notify($1, $2)", self._channel, self._host)
            except StoreUnavailable as error:
                _log.warning("could not tell other hosts (%s); they look by themselves", error)

    async def _listen_forever(self) -> None:
        while True:
            self._lost.clear()
            connection = None
            try:
                connection = await self._database.listen(self._channel, self._heard, self._lost.set)
                self._rung()
                await self._lost.wait()
                _log.warning("the connection that listens is lost; connecting again")
            except StoreUnavailable as error:
                _log.warning("cannot listen (%s); trying again in %g s", error, AGAIN_SECONDS)
            finally:
                await _closed(connection)
            await asyncio.sleep(AGAIN_SECONDS)

    def _heard(self, host: str) -> None:
        if host != self._host:
            self._rung()


async def _closed(connection: Any) -> None:
    if connection is not None:
        with contextlib.suppress(Exception):  # it may be lost already, and nothing is owed to it
            connection.terminate()
