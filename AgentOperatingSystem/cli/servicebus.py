"""`aos servicebus up`: the local Service Bus in the foreground.

Called by `commands.servicebus`. It reads the configuration, says where it listens and with what to connect, and ends
with Ctrl-C or SIGTERM.
"""

import asyncio
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

from AgentOperatingSystem.cli.output import Output, note
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.servicebus_emulator import config_file
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Limits, NamespaceSettings, QueueSettings


def run(out: Output, host: str, port: int, config: Path | None, data: Path | None, message_bytes_max: int) -> None:
    """Serves until it is told to end. Raises `ConfigurationError` where it cannot begin."""
    bus = _made(replace(_settings(config), limits=Limits(message_bytes=message_bytes_max)), config, data)
    try:
        asyncio.run(_serve(out, bus, host, port, data))
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _made(settings: NamespaceSettings, config: Path | None, data: Path | None) -> LocalServiceBus:
    try:
        return LocalServiceBus(settings, now_seconds=SystemClock().now, data_dir=data)
    except ServiceBusRefusal as refusal:
        raise ConfigurationError(f"{config}: {refusal}") from None
    except OSError as error:
        raise ConfigurationError(f"{data}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise ConfigurationError(f"{data}: {error}; does another broker run on it?") from None


def _settings(config: Path | None) -> NamespaceSettings:
    """Those of the file; without one there is a single queue to try."""
    if config is None:
        return NamespaceSettings(queues=(QueueSettings(name="queue.1"),))
    try:
        return config_file.read(config)
    except config_file.ConfigProblem as problem:
        raise ConfigurationError(str(problem)) from None


async def _serve(out: Output, bus: LocalServiceBus, host: str, port: int, data: Path | None) -> None:
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await bus.start(host, port)
    try:
        connect = bus.connection_string(_reachable(host))
        document = {"host": host, "port": bus.port, "connection_string": connect, "data": str(data) if data else None}
        out.line(document, f"Local Service Bus on {host}:{bus.port}, {_kept(data)}\nConnect with: {connect}")
        await _until(ended, bus)
    finally:
        await bus.stop()
    note("ended")


async def _until(ended: asyncio.Event, bus: LocalServiceBus) -> None:
    """Until the signal comes; raises whatever ends the broker before."""
    waits = [asyncio.create_task(ended.wait()), asyncio.create_task(bus.failed())]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    for each in done:
        each.result()


def _kept(data: Path | None) -> str:
    return f"state kept in {data}" if data is not None else "state kept in memory alone (--data DIR keeps it)"


def _reachable(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
