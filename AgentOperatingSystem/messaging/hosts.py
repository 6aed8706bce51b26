"""Which hosts of one data folder are alive: a host lives while the operating system holds its lock file.

No heartbeat is written and no clock is asked; the lock falls at the instant of a kill.
"""

import os
import sys
from pathlib import Path
from uuid import uuid4


class HostLock:
    """One host's own lock, or the lock of a dead host that is being taken over."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.host = path.stem
        self._handle = handle

    @property
    def marks(self) -> Path:
        """The file of what the host has in flight."""
        return self.path.with_suffix(".inflight")

    def release(self, *, remove: bool) -> None:
        """Lets go; `remove` where nothing of the host is left to take over."""
        if remove:
            self.marks.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def become_host(folder: Path) -> HostLock:
    """A new host with a lock of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _try(folder / f"{uuid4().hex}.lock")
    assert lock is not None, "a file that nobody else knows cannot be locked by somebody else"
    return lock


def dead_hosts(folder: Path, own: HostLock) -> list[HostLock]:
    """Locks of hosts that died without cleaning up; held until they are released."""
    locks = (_try(path) for path in sorted(folder.glob("*.lock")) if path != own.path)
    return [lock for lock in locks if lock is not None]


def is_host(folder: Path, host: str) -> bool:
    """Whether a host, alive or dead, has a lock file here."""
    return (folder / f"{host}.lock").exists()


def _try(path: Path) -> HostLock | None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    if _lock(handle) and path.exists():
        return HostLock(path, handle)
    os.close(handle)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
