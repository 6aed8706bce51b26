"""Azure Blob Storage for applications: files in containers, and JSON values under keys (specification 102, 106)."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from azure.core import MatchConditions
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.services.naming import (
    ABSENT,
    Opened,
    checked_key,
    conflict,
    escaped,
    key_of,
)
from AgentOperatingSystem.storage.records import Page

CONTAINER: Final = "aos-storage"
_MOVED: Final = frozenset({404, 409, 412})


class AzureBlobStorage(Opened):
    """One account's blobs. By connection string, or by URL with the host's identity (or a `credential` of the SDK's).

    Containers are made where they are missing. Every call raises `StoreUnavailable` where the account cannot be
    reached.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        account_url: str | None = None,
        credential: Any = None,
        container: str = CONTAINER,
        calls: Calls | None = None,
    ) -> None:
        super().__init__(connection_string, account_url, credential, calls)
        self._service: BlobServiceClient = self._client(BlobServiceClient)
        self._values = container

    # --- files ------------------------------------------------------------------------------------------------------

    async def upload(self, container: str, blob: str, data: bytes | str, *, overwrite: bool = True) -> str:
        """Puts a blob, text as UTF-8, durable when this returns; answers its ETag. Raises `Conflict` where it is there
        and is not to be overwritten.
        """
        place = self._service.get_container_client(container)
        content = data.encode() if isinstance(data, str) else data
        try:
            return await self._put(place, blob, content, overwrite=overwrite)
        except Rejected as refusal:
            if refusal.http_status == 409 and not overwrite:
                raise conflict(f"blob {container}/{blob}", ABSENT) from None
            raise

    async def download(self, container: str, blob: str) -> bytes:
        """A blob's content. Raises `BlobNotFound`."""
        content, _ = await self._read(container, blob)
        return content

    async def delete_blob(self, container: str, blob: str) -> None:
        """Removes a blob; removing nothing is the same."""
        place = self._service.get_container_client(container)
        await self._removed(place, blob, {})

    async def list_blobs(self, container: str, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]:
        """Names that begin with `prefix`, in order."""
        place = self._service.get_container_client(container)

        async def page() -> Page[str]:
            pager: Any = place.list_blob_names(name_starts_with=prefix or None, results_per_page=limit)
            pages = pager.by_page(after or None)
            try:
                names = tuple([name async for name in await anext(pages)])
            except StopAsyncIteration:
                return Page((), "")
            return Page(names, pages.continuation_token or "")

        return await self._asked(f"container {container}", page, place.create_container)

    # --- values -----------------------------------------------------------------------------------------------------

    async def save(self, key: str, value: Any, etag: str | None = None) -> str:
        """Keeps a JSON value under `key`, durable when this returns, and answers its ETag.

        With `etag`, only where that is still the value's own (`""`: where there is no value yet); else the last writer
        wins. Raises `Conflict`, `InvalidInput`, `InvalidEvent` where the value is not JSON.
        """
        name, content = checked_key(key), encode(value)
        place = self._service.get_container_client(self._values)
        try:
            return await self._put(place, name, content, overwrite=etag != ABSENT, **_condition(etag))
        except Rejected as refusal:
            if refusal.http_status in _MOVED and etag is not None:
                raise conflict(repr(key), etag) from None
            raise

    async def load(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        value, etag = await self.load_with_etag(key)
        return value if etag else default

    async def load_with_etag(self, key: str) -> tuple[Any, str]:
        """The value and its ETag; None and `""` where there is none."""
        try:
            content, etag = await self._read(self._values, checked_key(key))
        except BlobNotFound:
            return None, ABSENT
        return msgspec.json.decode(content), etag

    async def delete(self, key: str, etag: str | None = None) -> None:
        """Removes what is under `key`; removing nothing is the same. `etag` as with `save`."""
        place = self._service.get_container_client(self._values)
        try:
            found = await self._removed(place, checked_key(key), _condition(etag))
        except Rejected as refusal:
            if refusal.http_status in _MOVED:
                raise conflict(repr(key), etag or "") from None
            raise
        if etag and not found:
            raise conflict(repr(key), etag)

    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]:
        """Keys that begin with `prefix`, in the order of their names as they are written."""
        page = await self.list_blobs(self._values, escaped(prefix), after, limit)
        return Page(tuple(map(key_of, page.items)), page.after)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _put(self, place: ContainerClient, name: str, content: bytes, **options: Any) -> str:
        what = f"blob {place.container_name}/{name}"
        blob = place.get_blob_client(name)
        call: Callable[[], Awaitable[Any]] = lambda: blob.upload_blob(content, **options)  # noqa: E731
        return str((await self._asked(what, call, place.create_container))["etag"])

    async def _read(self, container: str, blob: str) -> tuple[bytes, str]:
        place = self._service.get_container_client(container)

        async def read() -> tuple[bytes, str]:
            stream = await place.download_blob(blob)
            return await stream.readall(), str(stream.properties.etag)

        try:
            return await self._asked(f"blob {container}/{blob}", read, place.create_container)
        except Rejected as refusal:
            if refusal.http_status == 404:
                raise BlobNotFound(f"no blob {blob!r} in container {container!r}") from None
            raise

    async def _removed(self, place: ContainerClient, blob: str, condition: dict[str, Any]) -> bool:
        call: Callable[[], Awaitable[None]] = lambda: place.delete_blob(blob, **condition)  # noqa: E731
        try:
            await self._asked(f"blob {place.container_name}/{blob}", call, place.create_container)
        except Rejected as refusal:
            if refusal.http_status != 404:
                raise
            return False
        return True


def _condition(etag: str | None) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
