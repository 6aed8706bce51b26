"""`BlobStore` in a local folder: `ab/cd/<sha256>`, written aside, synced, then renamed into place.

One lock file per folder lets a writer that puts an old blob again and a collector that removes it pass one after the
other, also where they are different processes.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.storage.blob_names import check_content, check_name, is_name, name_of

ASIDE_PREFIX = ".put-"
ASIDE_SECONDS_MAX = 86_400.0
"""After this time, what lies aside was left by a writer that was killed."""


class FolderBlobStore:
    """Content-addressed files. A name that is not 64 hexadecimal digits is refused: no path leads out of the folder."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock or SystemClock()
        self._durable: set[Path] = set()
        """Folders that this process knows to be on the disk."""

    async def put(self, content: bytes) -> str:
        name = name_of(content)
        await asyncio.to_thread(self._put, self._path(name), content)
        return name

    async def get(self, name: str) -> bytes:
        return check_content(name, await asyncio.to_thread(self._get, self._path(name)))

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        """As the port says; what a killed writer left aside a day ago is removed on the way."""
        for part in await asyncio.to_thread(lambda: sorted(self._folder.glob("??/??"))):
            for found in await asyncio.to_thread(_listed, part, self._clock.now() - ASIDE_SECONDS_MAX):
                yield found

    async def delete(self, name: str, unless_put_after: float) -> bool:
        return await asyncio.to_thread(self._delete, self._path(name), unless_put_after)

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._folder / name[:2] / name[2:4] / name

    def _put(self, path: Path, content: bytes) -> None:
        if _holds(path, content) and self._make_young(path):
            return
        self._make_folder(path.parent)
        with NamedTemporaryFile(dir=path.parent, prefix=ASIDE_PREFIX, delete=False) as aside:
            aside.write(content)
            aside.flush()
            os.fsync(aside.fileno())
        self._touch(aside.name)
        with self._alone():
            os.replace(aside.name, path)
        _sync_folder(path.parent)

    def _make_folder(self, folder: Path) -> None:
        """Makes a blob's folder, durably."""
        if folder in self._durable:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for outer in (folder.parent, self._folder, self._folder.parent):
            _sync_folder(outer)
        self._durable.add(folder)

    def _make_young(self, path: Path) -> bool:
        """Now the collector leaves it alone; False where it was faster."""
        with self._alone():
            if not path.exists():
                return False
            self._touch(path)
        _sync_folder(path.parent)  # whoever renamed it into place may not have come so far
        return True

    def _get(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise BlobNotFound(f"no blob {path.name}") from None

    def _delete(self, path: Path, unless_put_after: float) -> bool:
        if not path.exists():
            return True
        with self._alone():
            if path.exists() and path.stat().st_mtime > unless_put_after:
                return False
            path.unlink(missing_ok=True)
        return True

    def _touch(self, path: Path | str) -> None:
        """The time of a blob is this system's, not the file system's."""
        moment = round(self._clock.now() * 1e9)
        os.utime(path, ns=(moment, moment))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process is in here; closing the file lets go, and so does being killed."""
        with (self._folder / ".lock").open("ab") as file:
            _lock(file.fileno())
            yield


def _holds(path: Path, content: bytes) -> bool:
    """Whether the blob lies there undamaged; one that is damaged is written again."""
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _listed(folder: Path, left_before: float) -> list[tuple[str, float]]:
    """The blobs of one folder with their times; what was left aside before that time is removed."""
    found = []
    for path in sorted(folder.iterdir()):
        with suppress(FileNotFoundError):  # removed meanwhile
            modified = path.stat().st_mtime
            if is_name(path.name):
                found.append((path.name, modified))
            elif path.name.startswith(ASIDE_PREFIX) and modified < left_before:
                path.unlink()
    return found


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable, where the system can open folders (Windows cannot, and need not)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
