"""Azure Cosmos DB for applications: JSON documents under keys, and queries over them (specification rows 105, 106)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from azure.core import MatchConditions
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import ConfigurationError, TooLarge
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.services.naming import (
    ABSENT,
    checked_key,
    conflict,
    escaped,
    key_of,
)
from AgentOperatingSystem.storage.records import Page

DATABASE: Final = "aos"
CONTAINER: Final = "storage"
COLLECTION: Final = "values"
_LARGE: Final = 413
_MOVED: Final = frozenset({404, 409, 412})


class CosmosDBStorage:
    """Documents of one collection: an item each, `{"id", "collection", "value"}`, partitioned by `collection`.

    By connection string, or by endpoint with the host's identity, a key or a `credential` of the SDK's. Database and
    container are made where they are missing, which an identity may not do: then they have to be there. Also usable as
    `async with`. Every call raises `StoreUnavailable` where the account cannot be reached.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        endpoint: str | None = None,
        credential: Any = None,
        database: str = DATABASE,
        container: str = CONTAINER,
        collection: str = COLLECTION,
        calls: Calls | None = None,
        **options: Any,
    ) -> None:
        """`options` are the SDK client's own."""
        if bool(connection_string) == bool(endpoint):
            raise ConfigurationError("CosmosDBStorage needs a connection string or an endpoint, not both")
        self._identity: Any = None
        options = {"retry_total": 0, "retry_throttle_total": 0} | options
        if connection_string:
            self._client = CosmosClient.from_connection_string(connection_string, **options)
        else:
            self._client = CosmosClient(str(endpoint), credential or self._default_identity(), **options)
        self._calls = calls or Calls(SystemClock())
        self._names = database, container
        self._collection = collection
        self._place: ContainerProxy | None = None

    async def close(self) -> None:
        """Lets go of all connections."""
        await self._client.close()
        if self._identity is not None:
            await self._identity.close()

    async def __aenter__(self) -> "CosmosDBStorage":
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.close()

    async def save(self, key: str, value: Any, etag: str | None = None) -> str:
        """Keeps a JSON value under `key`, durable when this returns, and answers its ETag.

        With `etag`, only where that is still the value's own (`""`: where there is no value yet); else the last writer
        wins. Raises `Conflict`, `InvalidInput`, `InvalidEvent` where the value is not JSON, `TooLarge` above 2 MB.
        """
        place, item = await self._container(), self._item(checked_key(key), value)
        call: Callable[[], Awaitable[Any]] = lambda: place.upsert_item(item)  # noqa: E731
        if etag == ABSENT:
            call = lambda: place.create_item(item)  # noqa: E731
        elif etag is not None:
            condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            call = lambda: place.replace_item(item["id"], item, **condition)  # noqa: E731
        try:
            return str((await self._asked(call))["_etag"])
        except Rejected as refusal:
            raise self._refused(refusal, key, etag) from None

    async def load(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        value, etag = await self.load_with_etag(key)
        return value if etag else default

    async def load_with_etag(self, key: str) -> tuple[Any, str]:
        """The value and its ETag; None and `""` where there is none."""
        place, name = await self._container(), checked_key(key)
        try:
            found: Any = await self._asked(lambda: place.read_item(name, partition_key=self._collection))
        except Rejected as refusal:
            if refusal.http_status == 404:
                return None, ABSENT
            raise
        return found["value"], str(found["_etag"])

    async def delete(self, key: str, etag: str | None = None) -> None:
        """Removes what is under `key`; removing nothing is the same. `etag` as with `save`."""
        place, name = await self._container(), checked_key(key)
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            await self._asked(lambda: place.delete_item(name, partition_key=self._collection, **condition))
        except Rejected as refusal:
            if refusal.http_status != 404 or etag:
                raise self._refused(refusal, key, etag) from None

    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]:
        """Keys that begin with `prefix`, in the order of their names as they are written."""
        text = "SELECT c.id FROM c WHERE c.collection = @collection AND STARTSWITH(c.id, @prefix) ORDER BY c.id"
        page = await self.query(text, {"@prefix": escaped(prefix)}, after, limit)
        return Page(tuple(key_of(each["id"]) for each in page.items), page.after)

    async def query(
        self, text: str, parameters: Mapping[str, Any] | None = None, after: str = "", limit: int = 100
    ) -> Page[Any]:
        """What a query in the service's SQL selects, such as `SELECT c.id, c["value"].price FROM c WHERE c.collection =
        @collection AND c["value"].price > @least`; `@collection` is there. Raises `StoreError` for a wrong query.
        """
        place = await self._container()
        given = {"@collection": self._collection} | dict(parameters or {})
        named: Any = [{"name": name, "value": value} for name, value in given.items()]

        async def page() -> Page[Any]:
            pager: Any = place.query_items(
                text, parameters=named, partition_key=self._collection, max_item_count=limit
            ).by_page(after or None)
            try:
                found = tuple([each async for each in await anext(pager)])
            except StopAsyncIteration:
                return Page((), "")
            return Page(found, pager.continuation_token or "")

        found: Page[Any] = await self._asked(page)
        return found

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _container(self) -> ContainerProxy:
        if self._place is None:
            database, container = self._names
            made = await self._asked(lambda: self._client.create_database_if_not_exists(database))
            self._place = await self._asked(
                lambda: made.create_container_if_not_exists(container, PartitionKey("/collection"))
            )
        return self._place

    def _item(self, name: str, value: Any) -> dict[str, Any]:
        return {"id": name, "collection": self._collection, "value": msgspec.json.decode(encode(value))}

    def _refused(self, refusal: Rejected, key: str, etag: str | None) -> Exception:
        if refusal.http_status == _LARGE:
            return TooLarge(f"the value under {key!r} is too large for a document: {refusal}")
        return conflict(repr(key), etag) if refusal.http_status in _MOVED and etag is not None else refusal

    def _default_identity(self) -> Any:
        from azure.identity.aio import DefaultAzureCredential

        self._identity = DefaultAzureCredential()
        return self._identity

    async def _asked(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await self._calls.repeated(f"Cosmos DB container {'/'.join(self._names)}", call)
