"""`BlobStore` in a table, so that every host finds every blob.

A blob is one `bytea` value, stored outside of its row and uncompressed; TOAST cuts it into pages by itself. For states
of many megabytes a file system is cheaper, and several hosts would have to share it.
"""

from collections.abc import AsyncIterator
from typing import Final

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import BlobNotFound, TooLarge
from AgentOperatingSystem.storage.blob_names import check_content, check_name, name_of
from AgentOperatingSystem.storage.postgres.database import Database

BLOB_BYTES_MAX: Final = 256 * 1024 * 1024
"""PostgreSQL takes a message of 1 GiB, and keeps several copies of a value in memory on its way."""
PAGE: Final = 1000
_TOUCH: Final = "UPDATE blobs SET put_at = $2 WHERE name = $1 AND encode(sha256(content), 'hex') = $1 RETURNING 1"
_PUT: Final = """INSERT INTO blobs (name, put_at, content) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET put_at = excluded.put_at, content = excluded.content"""


class PostgresBlobStore:
    """Content-addressed blobs of one database."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def put(self, content: bytes) -> str:
        """As the port says; one that lies there damaged is written again. Raises `TooLarge`."""
        if len(content) > BLOB_BYTES_MAX:
            raise TooLarge(f"a blob of {len(content)} bytes; the database takes {BLOB_BYTES_MAX}")
        name, now = name_of(content), self._clock.now()
        if not await self._database.write(_TOUCH, (name, now)):
            await self._database.write(_PUT, (name, now, bytes(content)))
        return name

    async def get(self, name: str) -> bytes:
        found = await self._database.read("SELECT content FROM blobs WHERE name = $1", check_name(name))
        if not found:
            raise BlobNotFound(f"no blob {name}")
        return check_content(name, found[0][0])

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        after = ""
        while True:
            sql = "SELECT name, put_at FROM blobs WHERE name > $1 ORDER BY name LIMIT $2"
            found = await self._database.read(sql, after, PAGE)
            for name, put_at in found:
                yield name, put_at
            if len(found) < PAGE:
                return
            after = found[-1][0]

    async def delete(self, name: str, unless_put_after: float) -> bool:
        values = (check_name(name), unless_put_after)
        await self._database.write("DELETE FROM blobs WHERE name = $1 AND put_at <= $2", values)
        return not await self._database.read("SELECT 1 FROM blobs WHERE name = $1", name)
