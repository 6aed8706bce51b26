"""The data folder: whether it can be written, lies on a disk that suits, and holds a file that is whole."""

import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok, warning

MIB = 1 << 20
FREE_MIN = 100 * MIB
FREE_LOW = 1024 * MIB
CHECKED_MAX = 256 * MIB
"""A larger file is not read through."""
WAL_LARGE = 1024 * MIB
NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs", "lustre")
MEMORY = ("tmpfs", "ramfs")
MOUNTS = Path("/proc/mounts")


def checks(folder: Path) -> Iterator[Finding]:
    """Everything about the folder, from the outside in."""
    present = _nearest(folder)
    writable = _writable(folder, present)
    yield writable
    if present == folder:
        yield _privacy("data folder mode", folder, 0o077)
    yield space(shutil.disk_usage(present).free)
    if sys.platform == "linux":
        yield file_system(_file_system(present))
    yield from _store(folder / "aos.db")
    if (folder / "token").exists():
        yield _privacy("token file mode", folder / "token", 0o077)


def space(free: int) -> Finding:
    """Whether there is room, in bytes."""
    detail = f"{free // MIB:,} MiB free"
    if free < FREE_MIN:
        return fault("disk space", detail, "make room, or name another disk with AOS_DATA_DIR")
    if free < FREE_LOW:
        return warning("disk space", detail, "make room before it is used up")
    return ok("disk space", detail)


def file_system(kind: str) -> Finding:
    """Whether SQLite's write-ahead log is safe on a file system of this kind."""
    if kind.startswith(NETWORK):
        advice = "a write-ahead log needs a disk of this machine: name one with AOS_DATA_DIR"
        return fault("file system", f"{kind} is a network's", advice)
    if kind in MEMORY:
        return warning("file system", f"{kind} is memory", "all agents are gone at the next boot; use a disk")
    return ok("file system", kind or "unknown")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())


def _writable(folder: Path, present: Path) -> Finding:
    """Writes for real: permissions, quotas and read-only disks all show."""
    try:
        with tempfile.TemporaryFile(dir=present) as probe:
            started = time.perf_counter()
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
            taken = 1e3 * (time.perf_counter() - started)
    except OSError as error:
        return fault(
            "data folder", f"{present}: {error.strerror}", "make it writable, or name another with AOS_DATA_DIR"
        )
    state = "" if present == folder else ", not there yet"
    return ok("data folder", f"{folder}{state}; a durable write takes {taken:.1f} ms")


def _privacy(name: str, path: Path, forbidden: int) -> Finding:
    """Whether others on this machine can read it. Windows has other means."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & forbidden:
        return warning(name, f"{path} has mode {mode:o}", f"chmod go= {path}")
    return ok(name, f"{path} has mode {mode:o}")


def _file_system(path: Path) -> str:
    """The kind of the mount that the path lies on."""
    mounts = [line.split()[1:3] for line in MOUNTS.read_text(errors="replace").splitlines()]
    above = [(len(at), kind) for at, kind in mounts if path.resolve().is_relative_to(at)]
    return max(above)[1] if above else ""


def _store(file: Path) -> Iterator[Finding]:
    if not file.is_file():
        yield ok("store", f"{file} is not there yet: the first `aos up` makes it")
        return
    yield _database(file)
    log = file.with_name(file.name + "-wal")
    if log.is_file() and log.stat().st_size > WAL_LARGE:
        yield warning(
            "write-ahead log", f"{log.stat().st_size // MIB:,} MiB", "a reader holds it open; restart the system"
        )


def _database(file: Path) -> Finding:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
            size = file.stat().st_size
            health = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if size <= CHECKED_MAX else "not checked"
    except sqlite3.Error as error:
        return fault("store", f"{file}: {error}", "restore it from a backup, or move it away to begin anew")
    if journal != "wal":
        return fault("store", f"{file}: journal mode {journal}", "open it once with `aos up`, which sets WAL")
    if health not in ("ok", "not checked"):
        return fault("store", f"{file}: {health}", "restore it from a backup; what can be read: `aos export`")
    return ok(
        "store", f"{file}: {size // 1024:,} KiB, WAL, {'sound' if health == 'ok' else 'too large to read through'}"
    )
