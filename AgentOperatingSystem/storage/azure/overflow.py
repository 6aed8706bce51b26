"""Values that are too large for a table, each in a blob of its own, written before the commit that points at them.

A blob is named after its entity, its value and its commit, so no two writers share one and the reader of a leftover can
look at the one entity that might want it. These blobs are the store's own; states that the kernel keeps in blobs lie in
another container (`blobs`), which has another collector.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from azure.storage.blob.aio import ContainerClient

from AgentOperatingSystem.errors import StateUnreadable
from AgentOperatingSystem.storage.azure import drafts
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.containers import listed, stamped
from AgentOperatingSystem.storage.azure.packing import get_value
from AgentOperatingSystem.storage.azure.table import Table


class OverflowBlobs:
    """Puts and gets what a table has no room for. Every method raises `StoreUnavailable`."""

    def __init__(self, container: ContainerClient, calls: Calls) -> None:
        self._container = container
        self._calls = calls

    async def put(self, values: Sequence[drafts.Overflow]) -> None:
        """Durable when this returns; putting again is the same."""
        await asyncio.gather(*(self._put(each.path, each.content) for each in values))

    async def value(self, entity: Mapping[str, Any], name: str) -> bytes | None:
        """A value of an entity, wherever it lies; None where its blob is gone: then the entity has moved on.

        Raises `StateUnreadable` where the blob is damaged.
        """
        mark = entity.get(f"{name}_out")
        if mark is None:
            return get_value(entity, name)
        said = drafts.mark_of(mark)
        path = drafts.overflow_path(dict(entity), name, said.commit)
        content = await self._get(path)
        if content is not None and sha256(content).hexdigest() != said.digest:
            raise StateUnreadable(f"blob {path} is damaged: its content has another hash")
        return content

    async def erase(self, partition: str) -> None:
        """Removes every value of a partition."""
        async for path, _ in listed(self._container, self._calls, f"{partition}/"):
            await self._delete(path)

    async def collect(self, table: Table, older_than_seconds: float) -> int:
        """Removes what no entity points at and what is older than `older_than_seconds`, which must be above the time
        that a commit may take. Answers how many are gone.
        """
        before = self._calls.clock.now() - older_than_seconds
        gone = 0
        async for path, moment in listed(self._container, self._calls):
            partition, row, name, commit = path.split("/")
            if moment >= before:
                continue
            found = await table.get(partition, row, [f"{name}_out"])
            mark = found.entity.get(f"{name}_out") if found else None
            if not mark or drafts.mark_of(mark).commit != commit:
                await self._delete(path)
                gone += 1
        return gone

    async def _put(self, path: str, content: bytes) -> None:
        metadata = stamped(self._calls)
        await self._calls.repeated(
            f"blob {path}", lambda: self._container.upload_blob(path, content, overwrite=True, metadata=metadata)
        )

    async def _get(self, path: str) -> bytes | None:
        async def read() -> bytes:
            return await (await self._container.download_blob(path)).readall()

        try:
            return await self._calls.repeated(f"blob {path}", read)
        except Rejected as refusal:
            if refusal.http_status == 404:
                return None
            raise

    async def _delete(self, path: str) -> None:
        try:
            await self._calls.repeated(f"blob {path}", lambda: self._container.delete_blob(path))
        except Rejected as refusal:
            if refusal.http_status != 404:
                raise
