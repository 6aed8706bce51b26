"""The server: whether one answers, is ours, lets us in, and what waits there for a person."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from AgentOperatingSystem.cli.answers import Connection
from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok, refusal, warning
from AgentOperatingSystem.cli.exits import NobodyListens, NotReachable, Problem
from AgentOperatingSystem.cli.system import System, connect

SECONDS = 5.0
PROC = Path("/proc")


def checks(system: System) -> Iterator[Finding]:
    """From the port to what the system says of itself."""
    connection = connect(system.url, system.token)
    try:
        yield from _answers(system, connection)
    finally:
        connection.close()


def _answers(system: System, connection: Connection) -> Iterator[Finding]:
    try:
        live = connection.request("GET", "/health/live", {}, timeout_seconds=SECONDS).document
    except NobodyListens as error:
        yield from _silent(system, error)
    except (NotReachable, Problem) as error:
        yield fault("server", f"{error}{_who(system)}", "end that program, or use another port: AOS_PORT, --url")
    else:
        yield ok("server", f"{system.url} is {live.get('status') if isinstance(live, dict) else live}{_who(system)}")
        yield from _inside(connection)


def _silent(system: System, error: NobodyListens) -> Iterator[Finding]:
    if system.settings.url is not None:
        yield fault("server", str(error), "start it, or correct --url or AOS_URL")
        return
    yield warning("server", str(error), "start one with `aos up`")
    yield _port(system.settings.host, system.settings.port)


def _port(host: str, port: int) -> Finding:
    """Whether `aos up` could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return fault("port", f"{host}:{port}: {error.strerror}", "use another port or address: AOS_PORT, AOS_HOST")
    return ok("port", f"{host}:{port} is free")


def _inside(connection: Connection) -> Iterator[Finding]:
    try:
        ready = connection.request("GET", "/health/ready", {}, timeout_seconds=SECONDS).document
        waiting = connection.request("GET", "/api/v1/quarantine", {"limit": 1000}, timeout_seconds=SECONDS).document[
            "items"
        ]
    except Problem as error:
        if error.status == 401:
            yield fault(
                "token", str(error), "give the right one: --token, AOS_TOKEN, or --data with the server's folder"
            )
        else:
            yield refusal("ready", str(error), "its log says more")
        return
    except NotReachable as error:
        yield fault("ready", str(error), "its log says more")
        return
    yield ok("token", "is accepted")
    yield ok("ready", f"the store answers in {ready['store_milliseconds']:.1f} ms")
    if waiting:
        yield warning("quarantine", f"waiting for a person: {len(waiting)}", "aos quarantine ls")


def _who(system: System) -> str:
    """Which program listens, where this machine tells."""
    parts = urlsplit(system.url)
    if system.settings.url is not None or parts.port is None or not (PROC / "net" / "tcp").is_file():
        return ""
    found = listener(parts.port)
    return f" ({found})" if found else ""


def listener(port: int, proc: Path = PROC) -> str:
    """`pid 123, python3` of the process that listens on a TCP port; empty where it is nobody's or somebody else's."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(proc / "net" / table, port)}
    for process in proc.iterdir():
        if sockets and process.name.isdigit() and _holds(process, sockets):
            return f"pid {process.name}, {(process / 'comm').read_text().strip()}"
    return ""


def _listening(table: Path, port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on a port; the columns are those of proc(5)."""
    lines = table.read_text().splitlines()[1:] if table.is_file() else []
    for fields in map(str.split, lines):
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(handle.readlink()) in sockets for handle in (process / "fd").iterdir())
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False
