"""One storage account: its clients, made once per process and reused, and what has to exist in it.

Called by `opened`. With a connection string the account key (or a shared access signature) is used; with a URL the
credential that the composition file hands in.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import urlsplit

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from AgentOperatingSystem.errors import ConfigurationError, StoreUnavailable
from AgentOperatingSystem.storage.azure.blobs import AzureBlobStore
from AgentOperatingSystem.storage.azure.calls import Calls, Missing, Rejected
from AgentOperatingSystem.storage.azure.overflow import OverflowBlobs
from AgentOperatingSystem.storage.azure.rekeying import rekey, signature_in
from AgentOperatingSystem.storage.azure.table import Table
from AgentOperatingSystem.storage.azure.transport import Transport

TABLE: Final = "aos"
"""The table; the containers are named after it."""
_log = logging.getLogger(__name__)
Transports = Callable[[], Transport]
_PUT_BYTES_MAX: Final = 4000 << 20
"""Up to here a blob is put in one request: two writers that sent blocks of the same blob would undo each other's."""


class Account:
    """The table and the containers of one system, behind clients that are open until `close`."""

    def __init__(self, tables: TableServiceClient, blobs: BlobServiceClient, calls: Calls, prefix: str = TABLE) -> None:
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(tables.close)
        self._stack.push_async_callback(blobs.close)
        self._tables = tables
        self._containers = [
            blobs.get_container_client(f"{prefix}-blobs"),
            blobs.get_container_client(f"{prefix}-overflow"),
        ]
        self._credentials = [tables.credential, blobs.credential]
        self._calls = calls
        self.table = Table(tables.get_table_client(prefix), calls)
        self.blobs = AzureBlobStore(self._containers[0], calls)
        self.overflow = OverflowBlobs(self._containers[1], calls)

    @classmethod
    def by_connection_string(
        cls, text: str, calls: Calls, prefix: str = TABLE, transports: Transports = Transport
    ) -> "Account":
        """An account by its key, or the emulator. Raises `ConfigurationError`."""
        try:
            tables = TableServiceClient.from_connection_string(text, **_options(transports))
            blobs = BlobServiceClient.from_connection_string(text, signature_in(text), **_options(transports))
        except ValueError as error:
            raise ConfigurationError(f"storage_connection_string: {error}") from None
        return cls(tables, blobs, calls, prefix)

    @classmethod
    def by_identity(
        cls, url: str, calls: Calls, credential: Any, prefix: str = TABLE, transports: Transports = Transport
    ) -> "Account":
        """An account by the endpoint of one of its services, with the host's identity, which stays the caller's.

        Raises `ConfigurationError`.
        """
        tables, blobs = endpoint_of(url, "table"), endpoint_of(url, "blob")
        return cls.by_endpoints(tables, blobs, calls, credential, prefix, transports)

    @classmethod
    def by_endpoints(
        cls,
        tables: str,
        blobs: str,
        calls: Calls,
        credential: Any,
        prefix: str = TABLE,
        transports: Transports = Transport,
    ) -> "Account":
        """An account by the endpoints of its services, with the host's identity, which stays the caller's."""
        return cls(
            TableServiceClient(tables, credential=credential, **_options(transports)),
            BlobServiceClient(blobs, credential=credential, **_options(transports)),
            calls,
            prefix,
        )

    def rekey(self, text: str) -> None:
        """Goes on with another key, or signature, of the same account: that of a new connection string."""
        fitting = [rekey(credential, text) for credential in self._credentials]  # every one of them is asked
        if not all(fitting):
            _log.error("the new storage_connection_string is for another account, or of another kind: it is not used")

    async def create(self) -> None:
        """Makes the table and the containers where they are not there yet. Raises `StoreUnavailable`."""
        await self._ensure(f"table {self.table.name}", lambda: self._tables.create_table(self.table.name))
        for container in self._containers:
            await self._ensure(f"container {container.container_name}", container.create_container)

    async def look(self) -> str:
        """Reads where nothing lies, to learn whether this host is let in, and what is there. Makes nothing.

        Raises `StoreUnavailable`.
        """
        host = self._tables.url.removesuffix("/")
        try:
            await self.table.get("aos.look", "nothing")
            for container in self._containers:
                await self._calls.repeated(f"container {container.container_name}", container.get_container_properties)
        except (Missing, Rejected) as absent:
            if isinstance(absent, Rejected) and absent.http_status != 404:
                raise StoreUnavailable(str(absent)) from absent
            return f"{host} lets this host in; the first start makes what is not there yet"
        return f"{host} lets this host in; table {self.table.name} and its containers are there"

    async def close(self) -> None:
        """Lets go of all connections."""
        await self._stack.aclose()

    async def _ensure(self, what: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._calls.repeated(what, call)
        except Rejected as refusal:
            if refusal.http_status != 409:
                raise


def _options(transports: Transports) -> dict[str, Any]:
    return {"retry_total": 0, "max_single_put_size": _PUT_BYTES_MAX, "transport": transports()}


def endpoint_of(url: str, service: str) -> str:
    """The endpoint of one service of the account whose blob, table or queue endpoint is `url`.

    Raises `ConfigurationError` where the host does not say which service it is, for then the others cannot be told.
    """
    parts = urlsplit(url)
    account, _, rest = parts.netloc.partition(".")
    named, _, suffix = rest.partition(".")
    if named not in ("blob", "table", "queue", "dfs") or not suffix:
        raise ConfigurationError(
            f"storage_account_url {url!r}: needs a host such as https://<account>.blob.core.windows.net;"
            " for an emulator use storage_connection_string"
        )
    return f"{parts.scheme}://{account}.{service}.{suffix}"
