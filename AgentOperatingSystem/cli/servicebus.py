"""`aos servicebus up`: the local Service Bus in the foreground.

Called by `commands.servicebus`. It reads the configuration, says where it listens and with what to connect, and ends
with Ctrl-C or SIGTERM.
"""

import asyncio
import signal
import sqlite3
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from AgentOperatingSystem.cli.output import Output, note
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.servicebus_emulator import certificate, config_file
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    ALL_RIGHTS,
    AccessKey,
    Limits,
    NamespaceSettings,
    QueueSettings,
)

ADMIN_PORT = 5300
CERTIFICATE_DIRECTORY = Path(".servicebus")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; `admin` None is the usual place, a negative one none."""

    host: str
    amqp: int
    admin: int | None
    tls: int | None

    @property
    def admin_port(self) -> int | None:
        """For `LocalServiceBus.start`."""
        if self.admin is None:
            return ADMIN_PORT if self.amqp else 0
        return self.admin if self.admin >= 0 else None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The certificate and the keys, as they stand on the command line."""

    certificate: Path | None
    certificate_key: Path | None
    keys: list[str]


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate in use."""

    context: ssl.SSLContext
    certificate: Path


def run(
    out: Output, ports: Ports, secrets: Secrets, config: Path | None, data: Path | None, message_bytes_max: int
) -> None:
    """Serves until it is told to end. Raises `ConfigurationError` where it cannot begin."""
    settings = replace(_settings(config), limits=Limits(message_bytes=message_bytes_max))
    tls = _tls(ports, secrets, data)
    bus = _made(settings, config, data, tuple(map(_key, secrets.keys)))
    try:
        asyncio.run(_serve(out, bus, ports, tls, data))
    except OSError as error:
        wanted = f"{ports.host}:{ports.amqp}, admin port {ports.admin_port}, TLS port {ports.tls}"
        raise ConfigurationError(f"cannot listen on {wanted}: {error.strerror or error}") from None


def _made(
    settings: NamespaceSettings, config: Path | None, data: Path | None, keys: tuple[AccessKey, ...]
) -> LocalServiceBus:
    try:
        return LocalServiceBus(settings, now_seconds=SystemClock().now, data_dir=data, keys=keys)
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


def _key(text: str) -> AccessKey:
    """`NAME=KEY`, or `NAME:Send,Listen=KEY`."""
    head, _, key = text.partition("=")
    name, _, asked = head.partition(":")
    rights = frozenset(asked.split(",")) if asked else ALL_RIGHTS
    if not name or not key or not rights <= ALL_RIGHTS:
        raise ConfigurationError(f"--key {head}=…: NAME=KEY or NAME:Send,Listen=KEY is expected")
    return AccessKey(name=name, key=key, rights=rights)


def _tls(ports: Ports, secrets: Secrets, data: Path | None) -> Tls | None:
    """The certificate that is given, else one of our own; None where TLS is not wanted."""
    if (secrets.certificate is None) != (secrets.certificate_key is None):
        raise ConfigurationError("--cert and --cert-key go together")
    if ports.tls is None and secrets.certificate is None:
        return None
    try:
        given = (secrets.certificate, secrets.certificate_key)
        now = datetime.fromtimestamp(SystemClock().now(), UTC)
        found, key = _both(*given) or certificate.own(data or CERTIFICATE_DIRECTORY, now)
        return Tls(certificate.context(found, key), found)
    except certificate.CertificateProblem as problem:
        raise ConfigurationError(str(problem)) from None


def _both(given: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    return None if given is None or key is None else (given, key)


async def _serve(out: Output, bus: LocalServiceBus, ports: Ports, tls: Tls | None, data: Path | None) -> None:
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await bus.start(
        ports.host,
        ports.amqp,
        admin_port=ports.admin_port,
        tls=tls.context if tls is not None else None,
        tls_port=ports.tls,
    )
    try:
        document = _document(bus, ports.host, tls, data)
        out.line(document, _text(document))
        await _until(ended, bus)
    finally:
        await bus.stop()
    note("ended")


def _document(bus: LocalServiceBus, host: str, tls: Tls | None, data: Path | None) -> dict[str, Any]:
    place = _reachable(host)
    document: dict[str, Any] = {"host": host, "port": bus.port, "connection_string": bus.connection_string(place)}
    document["admin"] = bus.url(place) if bus.admin_port is not None else None
    document["tls_port"] = bus.tls_port
    document["certificate"] = str(tls.certificate) if tls is not None else None
    return document | {"data": str(data) if data else None}


def _text(document: dict[str, Any]) -> str:
    kept = document["data"]
    state = f"state kept in {kept}" if kept else "state kept in memory alone (--persist DIR keeps it)"
    lines = [f"Local Service Bus on {document['host']}:{document['port']}, {state}"]
    lines.append(f"Connect with: {document['connection_string']}")
    if document["tls_port"] is not None:
        lines.append(f"TLS on port {document['tls_port']}; clients trust {document['certificate']}")
    if document["admin"] is not None:
        lines.append(f"Administration on {document['admin']}, health on {document['admin']}/health")
    return "\n".join(lines)


async def _until(ended: asyncio.Event, bus: LocalServiceBus) -> None:
    """Until the signal comes; raises whatever ends the broker before."""
    waits = [asyncio.create_task(ended.wait()), asyncio.create_task(bus.failed())]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    for each in done:
        each.result()


def _reachable(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
