"""`BlobStore` in a local folder: `ab/cd/<sha256>`, written aside, synced, then renamed into place."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from AgentOperatingSystem.errors import BlobNotFound, InvalidInput, StateUnreadable

_NAME = re.compile(r"[0-9a-f]{64}")


class FolderBlobStore:
    """Content-addressed files.

    A name that is not 64 hexadecimal digits is refused, so no path leads out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, content: bytes) -> str:
        name = sha256(content).hexdigest()
        await asyncio.to_thread(self._put, name, content)
        return name

    async def get(self, name: str) -> bytes:
        content = await asyncio.to_thread(self._get, self._path(name))
        if sha256(content).hexdigest() != name:
            raise StateUnreadable(f"blob {name} is damaged: its content has another hash")
        return content

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        for path in await asyncio.to_thread(lambda: sorted(self._folder.glob("??/??/*"))):
            if _NAME.fullmatch(path.name):
                yield path.name, path.stat().st_mtime

    async def delete(self, name: str, unless_put_after: float) -> bool:
        path = self._path(name)
        if not path.exists():
            return True
        if path.stat().st_mtime > unless_put_after:
            return False
        path.unlink(missing_ok=True)
        return True

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"blob name {name[:80]!r}: needs 64 hexadecimal digits")
        return self._folder / name[:2] / name[2:4] / name

    def _put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            os.utime(path)  # young again: the collector leaves it alone
            if path.stat().st_size == len(content):
                return
        with NamedTemporaryFile(dir=path.parent, prefix=".put-", delete=False) as aside:
            aside.write(content)
            aside.flush()
            os.fsync(aside.fileno())
        os.replace(aside.name, path)
        _sync_folder(path.parent)

    def _get(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise BlobNotFound(f"no blob {path.name}") from None


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable, where the system can open folders (Windows cannot, and need not)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
