"""The HTTP API inside of this process, over a data folder that no server has open.

Used by `system` where nobody answers on this machine. No turn is run here: what is sent is durable, and handled by
the next `aos up`. A server that does run on the folder, under another address, sees each change as it sees those of
any other host.
"""

import asyncio
import secrets
from pathlib import Path
from types import ModuleType

import httpx2

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.cli.client import Client
from AgentOperatingSystem.cli.output import note
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.errors import ConfigurationError

_URL = "http://localhost"


def open_directly(data_dir: Path, app: str | None, *, reads: bool) -> Client:
    """A client of the system in `data_dir`. Raises `ConfigurationError`, `StoreError` where the files cannot be opened.

    The user's app is loaded, so that its types and routes are known; where it cannot be, a command that only `reads`
    goes on without, and says so.
    """
    config = AOSConfig(data_dir=data_dir, app=app)
    module = _loaded(config.app, reads)
    if module is None and not reads:
        note("no agents are loaded; where they matter, name them with --app or AOS_APP")
    token = secrets.token_urlsafe()
    return Client(_URL, token, DirectTransport(config, module, token))


def _loaded(app: str | None, reads: bool) -> ModuleType | None:
    if app is None:
        return None
    try:
        return load_app(app)
    except ConfigurationError as error:
        if not reads:
            raise
        note(f"{error}; going on without its agents")
        return None


class DirectTransport(httpx2.BaseTransport):
    """Runs each request through the API's application; the event loop turns only while a request is answered."""

    def __init__(self, config: AOSConfig, app: ModuleType | None, token: str) -> None:
        self._runner = asyncio.Runner()
        self._system = AgentOperatingSystem(config)
        try:
            self._runner.run(self._open(app))
        except BaseException:
            self._runner.close()
            raise
        self._asgi = httpx2.ASGITransport(create_app(self._system, token=token))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._runner.run(self._handle(request))

    def close(self) -> None:
        try:
            self._runner.run(self._system.close())
        finally:
            self._runner.close()

    async def _open(self, app: ModuleType | None) -> None:
        await self._system.initialize()
        if app is not None:
            await self._system.register_app(app)

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._asgi.handle_async_request(request)
        content = await answer.aread()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=content)
