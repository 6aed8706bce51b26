"""What lies between the hosts and the broker, and can be cut: connections break in the middle of whatever they carry.

It keeps its port while the broker behind it is killed and comes back on another one.
"""

import asyncio
import contextlib


class Proxy:
    """A port that leads to another one, or nowhere."""

    def __init__(self) -> None:
        self.target = 0
        """The broker's port; 0 while there is none."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listens on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Breaks every connection; says how many."""
        broken = len(self._writers) // 2
        for writer in list(self._writers):
            writer.transport.abort()
        return broken

    async def stop(self) -> None:
        """Cuts, and listens no more."""
        if self._server is not None:
            self._server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind, onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, onward}
        self._writers |= both
        try:
            await asyncio.gather(_pump(reader, onward), _pump(behind, writer))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
