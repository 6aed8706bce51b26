"""The run of all parts: each is started when what it needs is there, and they end in the opposite order.

Called by `aos up --azure-local`. State lies in the data folder: Azurite's in `azurite`, the broker's in `servicebus`.
"""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.process import environment_with
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.addresses import announced
from AgentOperatingSystem.hosting.azure_local import azurite, wiring
from AgentOperatingSystem.hosting.azure_local.namespace import namespace
from AgentOperatingSystem.hosting.azure_local.parts import Part
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.tokens import Token, token_of

AOS: Final = ("-c", "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())")
READY_SECONDS: Final = 60.0
DRAIN_SECONDS: Final = 45.0
STOP_SECONDS: Final = 10.0
USUAL_BROKER_PORT: Final = 5672
Say = Callable[[str, dict[str, Any]], object]
"""Told of each part: a line for people, and the same for programs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run."""

    config: AOSConfig
    folder: Path
    """Where function_app.py and host.json are."""
    say: Say


def serve(plan: Plan) -> None:
    """Runs all parts until SIGINT or SIGTERM. Raises `ConfigurationError`: one cannot begin, or ended by itself."""
    wiring.check(plan.config, plan.folder)
    data = Path(plan.config.data_dir)
    for folder in (data, data / "azurite", data / "servicebus"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(data) as lock:
        asyncio.run(_serve(plan, data.resolve(), lock))


async def _serve(plan: Plan, data: Path, lock: int) -> None:
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    async with AsyncExitStack() as parts:
        watched = await _started(plan, data, lock, parts)
        why = await _first(ended, watched)
        plan.say("ending: turns under way come to their end", {"state": "ending"})
    if why:
        raise ConfigurationError(why)
    plan.say("ended; what is in the data folder goes on at the next start", {"state": "ended"})


async def _started(plan: Plan, data: Path, lock: int, parts: AsyncExitStack) -> list[Any]:
    """Starts one part after the other; what to wait for that would end them."""
    is_free = plan.config.port == 0
    storage, account = await _azurite(plan, data / "azurite", lock, parts, is_free)
    bus = await _service_bus(plan, data / "servicebus", parts, is_free)
    token = token_of(plan.config)
    settings = wiring.settings(plan.config, account, bus.connection_string("127.0.0.1"), token.text, data)
    wiring.keep(data, settings)
    host, url = await _functions(plan, settings, lock, parts)
    parts.enter_context(announced(data, url))
    await _awaken(plan, url, token)
    return [storage.ended(), bus.failed(), host.ended()]


async def _azurite(plan: Plan, folder: Path, lock: int, parts: AsyncExitStack, is_free: bool) -> tuple[Part, str]:
    """The storage account, and its connection string."""
    ports = (0, 0, 0) if is_free else _usual(azurite.USUAL_PORTS)
    command = await asyncio.to_thread(azurite.command)
    part = await Part.start("Azurite", [*command, *azurite.arguments(folder, ports)], environment_with({}), (lock,))
    parts.push_async_callback(part.stop, STOP_SECONDS)
    found: dict[str, str] = {}

    def hears(line: str) -> bool:
        found.update(filter(None, [azurite.endpoint(line)]))
        return len(found) == len(azurite.SERVICES)

    await part.until(hears, READY_SECONDS)
    text = azurite.connection_string(found)
    places = ", ".join(f"{service} {found[service]}" for service in azurite.SERVICES)
    plan.say(f"Azurite      {places}", {"part": "azurite", **found, "connection_string": text, "data": str(folder)})
    return part, text


async def _service_bus(plan: Plan, folder: Path, parts: AsyncExitStack, is_free: bool) -> LocalServiceBus:
    """The broker, in this process."""
    try:
        bus = LocalServiceBus(namespace(plan.config), now_seconds=SystemClock().now, data_dir=folder)
        await bus.start(port=0 if is_free else _usual((USUAL_BROKER_PORT,))[0])
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"the local Service Bus cannot begin in {folder}: {error}") from None
    parts.push_async_callback(bus.stop)
    text = bus.connection_string("127.0.0.1")
    document = {"part": "servicebus", "connection_string": text, "data": str(folder)}
    plan.say(f"Service Bus  127.0.0.1:{bus.port}, with {text}", document)
    return bus


async def _functions(plan: Plan, settings: dict[str, str], lock: int, parts: AsyncExitStack) -> tuple[Part, str]:
    """The Functions host, and its address."""
    options = ["--folder", str(plan.folder), "--host", plan.config.host, "--port", str(plan.config.port)]
    command = [sys.executable, *AOS, "functions", "up", *options]
    part = await Part.start("the Functions host", command, environment_with(settings), (lock,))
    parts.push_async_callback(part.stop, DRAIN_SECONDS)
    heard: list[str] = []

    def hears(line: str) -> bool:
        _, _, said = line.partition(" listening on ")
        heard.extend(filter(None, [said]))
        return bool(heard)

    await part.until(hears, READY_SECONDS)
    url, _, engine = heard[0].partition(", ")
    plan.say(f"Functions    {url}, {engine}", {"part": "functions", "url": url, "engine": engine})
    return part, url


async def _awaken(plan: Plan, url: str, token: Token) -> None:
    """The first request makes the system: better now than when somebody waits. Raises `ConfigurationError`."""
    headers = {"Authorization": f"Bearer {token.text}"} if token.text else {}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=READY_SECONDS, trust_env=False) as client:
        answer = await client.get("/health/ready")
    if answer.status_code != 200:
        raise ConfigurationError(f"the system does not start: {answer.text.strip() or answer.status_code}")
    where = "as configured" if token.path is None else f"in {token.path}"
    document = {"part": "agents", "app": plan.config.app, "token": where, "settings": str(wiring.file_of(plan.config))}
    plan.say(f"Agents       {plan.config.app}; token {where}; settings in {document['settings']}", document)


async def _first(ended: asyncio.Event, watched: Sequence[Any]) -> str:
    """Waits for the signal (empty), or for a part that ends by itself (how)."""
    waits = [asyncio.create_task(ended.wait()), *(asyncio.ensure_future(each) for each in watched)]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
    if ended.is_set():
        return ""
    first = done.pop()
    return str(first.exception() or first.result())


def _usual(ports: tuple[int, ...]) -> tuple[int, ...]:
    """These ports where all of them are free, else free ones."""
    with ExitStack() as probes:
        try:
            for port in ports:
                probe = probes.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            return (0,) * len(ports)
    return ports


@contextmanager
def alone(data: Path) -> Iterator[int]:
    """Only one stack runs on a folder; parts that outlive a killed one hold the lock as well. Raises
    `ConfigurationError`.
    """
    import fcntl

    handle = os.open(data / "azure-local.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    except BlockingIOError:
        raise ConfigurationError(
            f"another `aos up --azure-local` runs on {data}, or parts of one that was killed: end them first"
        ) from None
    finally:
        os.close(handle)
