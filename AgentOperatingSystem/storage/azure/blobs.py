"""`BlobStore` on one blob container: named by content, made young by putting again, removed by ETag only.

A put is always an upload, so it mends a damaged blob, changes the ETag and thereby beats a collector that has just
found the blob old.
"""

from collections.abc import AsyncIterator

from azure.core import MatchConditions
from azure.storage.blob.aio import ContainerClient

from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.containers import listed, put_at, stamped
from AgentOperatingSystem.storage.blob_names import check_content, check_name, is_name, name_of


class AzureBlobStore:
    """Content-addressed blobs in a container that holds nothing else."""

    def __init__(self, container: ContainerClient, calls: Calls) -> None:
        self._container = container
        self._calls = calls

    async def put(self, content: bytes) -> str:
        name = name_of(content)
        metadata = stamped(self._calls)
        await self._calls.repeated(
            f"blob {name}", lambda: self._container.upload_blob(name, content, overwrite=True, metadata=metadata)
        )
        return name

    async def get(self, name: str) -> bytes:
        check_name(name)

        async def read() -> bytes:
            return await (await self._container.download_blob(name)).readall()

        try:
            return check_content(name, await self._calls.repeated(f"blob {name}", read))
        except Rejected as refusal:
            raise _absence(refusal, name) from None

    async def names(self) -> AsyncIterator[tuple[str, float]]:
        async for name, moment in listed(self._container, self._calls):
            if is_name(name):
                yield name, moment

    async def delete(self, name: str, unless_put_after: float) -> bool:
        check_name(name)
        while True:
            try:
                properties = await self._calls.repeated(
                    f"blob {name}", self._container.get_blob_client(name).get_blob_properties
                )
                if put_at(properties) > unless_put_after:
                    return False
                await self._delete(name, properties.etag)
            except Rejected as refusal:
                if refusal.http_status == 412:  # put again in between: look again
                    continue
                if refusal.http_status != 404:
                    raise
            return True

    async def _delete(self, name: str, etag: str) -> None:
        await self._calls.repeated(
            f"blob {name}",
            lambda: self._container.delete_blob(name, etag=etag, match_condition=MatchConditions.IfNotModified),
        )


def _absence(refusal: Rejected, name: str) -> Exception:
    return BlobNotFound(f"no blob {name}") if refusal.http_status == 404 else refusal
