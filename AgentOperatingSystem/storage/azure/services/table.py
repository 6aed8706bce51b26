"""Azure Table Storage for applications: entities with properties, and JSON values under keys (specification rows 103,
106).

A property of more than 64 KiB is cut into parts and put together again; the service's limit of 1 MiB for an entity
stays.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from azure.core import MatchConditions
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.packing import PROPERTY_BYTES_MAX, check_entity, get_value, put_value
from AgentOperatingSystem.storage.azure.services.naming import (
    ABSENT,
    Opened,
    checked_key,
    conflict,
    escaped,
    key_of,
)
from AgentOperatingSystem.storage.records import Page

TABLE: Final = "aosstorage"
PARTITION: Final = "values"
ETAG: Final = "etag"
"""Under this name, `get` and `query` answer an entity's ETag."""
_CUT: Final = "__cut"
_MOVED: Final = frozenset({404, 409, 412})
_BEYOND: Final = "~"
"""Above all letters of a key as it is written."""


class AzureTableStorage(Opened):
    """One account's tables. By connection string, or by URL with the host's identity (or a `credential` of the SDK's).

    Tables are made where they are missing. Every call raises `StoreUnavailable` where the account cannot be reached.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        account_url: str | None = None,
        credential: Any = None,
        table: str = TABLE,
        calls: Calls | None = None,
    ) -> None:
        super().__init__(connection_string, account_url, credential, calls)
        self._service: TableServiceClient = self._client(TableServiceClient)
        self._values = table

    # --- entities ---------------------------------------------------------------------------------------------------

    async def insert(self, table: str, entity: Mapping[str, Any]) -> str:
        """Adds an entity, which has `PartitionKey` and `RowKey`; answers its ETag. Raises `Conflict` where it is there,
        `TooLarge` above the service's limits.
        """
        return await self._write(table, entity, ABSENT)

    async def upsert(self, table: str, entity: Mapping[str, Any], etag: str | None = None) -> str:
        """Writes an entity over what is there, with `etag` only where that is still its own; answers its new ETag.

        Raises `Conflict`, `TooLarge`.
        """
        return await self._write(table, entity, etag)

    async def get(self, table: str, partition: str, row: str) -> dict[str, Any] | None:
        """An entity with its ETag under `etag`; None where there is none."""
        client = self._service.get_table_client(table)
        try:
            found = await self._at(client, lambda: client.get_entity(partition, row))
        except Rejected as refusal:
            if refusal.http_status == 404:
                return None
            raise
        return _read(found)

    async def query(
        self, table: str, text: str, parameters: Mapping[str, Any] | None = None, after: str = "", limit: int = 100
    ) -> Page[dict[str, Any]]:
        """Entities that an OData filter selects, such as `PartitionKey eq @p and price gt @least`, by their keys."""
        client = self._service.get_table_client(table)
        token = msgspec.json.decode(after) if after else None

        async def page() -> Page[dict[str, Any]]:
            pager: Any = client.query_entities(text, parameters=dict(parameters or {}), results_per_page=limit)
            pages = pager.by_page(token)
            try:
                found = tuple([_read(each) async for each in await anext(pages)])
            except StopAsyncIteration:
                return Page((), "")
            following = pages.continuation_token
            return Page(found, encode(following).decode() if following else "")

        found: Page[dict[str, Any]] = await self._at(client, page)
        return found

    async def remove(self, table: str, partition: str, row: str, etag: str | None = None) -> None:
        """Removes an entity; removing nothing is the same. Raises `Conflict` where it has another ETag."""
        client = self._service.get_table_client(table)
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified, "etag": etag} if etag else {}
        if etag and await self.get(table, partition, row) is None:  # the SDK passes over what is not there
            raise conflict(f"entity {partition}/{row}", etag)
        try:
            await self._at(client, lambda: client.delete_entity(partition, row, **condition))
        except Rejected as refusal:
            if refusal.http_status != 404:
                raise (conflict(f"entity {partition}/{row}", etag or "") if etag else refusal) from None

    # --- values -----------------------------------------------------------------------------------------------------

    async def save(self, key: str, value: Any, etag: str | None = None) -> str:
        """Keeps a JSON value under `key`, durable when this returns, and answers its ETag.

        With `etag`, only where that is still the value's own (`""`: where there is no value yet); else the last writer
        wins. Raises `Conflict`, `InvalidInput`, `InvalidEvent` where the value is not JSON, `TooLarge` above 1 MiB.
        """
        entity = {"PartitionKey": PARTITION, "RowKey": checked_key(key), "value": encode(value)}
        return await self._write(self._values, entity, etag, repr(key))

    async def load(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        value, etag = await self.load_with_etag(key)
        return value if etag else default

    async def load_with_etag(self, key: str) -> tuple[Any, str]:
        """The value and its ETag; None and `""` where there is none."""
        found = await self.get(self._values, PARTITION, checked_key(key))
        return (msgspec.json.decode(found["value"]), found[ETAG]) if found else (None, ABSENT)

    async def delete(self, key: str, etag: str | None = None) -> None:
        """Removes what is under `key`; removing nothing is the same. `etag` as with `save`."""
        await self.remove(self._values, PARTITION, checked_key(key), etag)

    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]:
        """Keys that begin with `prefix`, in the order of their names as they are written."""
        begin = escaped(prefix)
        text = "PartitionKey eq @p and RowKey ge @a and RowKey lt @b"
        bounds = {"p": PARTITION, "a": begin or "-", "b": begin + _BEYOND}
        page = await self.query(self._values, text, bounds, after, limit)
        return Page(tuple(key_of(each["RowKey"]) for each in page.items), page.after)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _write(self, table: str, entity: Mapping[str, Any], etag: str | None, what: str = "") -> str:
        client = self._service.get_table_client(table)
        cut = _cut(entity)
        what = what or f"entity {entity['PartitionKey']}/{entity['RowKey']}"
        check_entity(cut, what)
        options: dict[str, Any] = {"mode": UpdateMode.REPLACE}
        if etag:
            options |= {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        call: Callable[[], Awaitable[Any]] = lambda: client.upsert_entity(cut, mode=UpdateMode.REPLACE)  # noqa: E731
        if etag == ABSENT:
            call = lambda: client.create_entity(cut)  # noqa: E731
        elif etag:
            call = lambda: client.update_entity(cut, **options)  # noqa: E731
        try:
            return str((await self._at(client, call))["etag"])
        except Rejected as refusal:
            if refusal.http_status in _MOVED and etag is not None:
                raise conflict(what, etag) from None
            raise

    async def _at(self, client: TableClient, call: Callable[[], Awaitable[Any]]) -> Any:
        return await self._asked(f"table {client.table_name}", call, client.create_table)


def _cut(entity: Mapping[str, Any]) -> dict[str, Any]:
    """The entity with its large properties in parts, and a note of which they are."""
    if "PartitionKey" not in entity or "RowKey" not in entity:
        raise InvalidInput("an entity needs a PartitionKey and a RowKey")
    cut: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for name, value in entity.items():
        content = value.encode() if isinstance(value, str) else value
        is_large = isinstance(content, bytes) and _size(value, content) > PROPERTY_BYTES_MAX
        if is_large and name not in ("PartitionKey", "RowKey"):
            kinds[name] = "text" if isinstance(value, str) else "bytes"
            put_value(cut, f"{name}__", content)
        elif name != ETAG:
            cut[name] = value
    return cut | ({_CUT: encode(kinds).decode()} if kinds else {})


def _size(value: Any, content: bytes) -> int:
    """As the service counts: two bytes for each UTF-16 unit of a text."""
    return len(value.encode("utf-16-le", "surrogatepass")) if isinstance(value, str) else len(content)


def _read(found: Any) -> dict[str, Any]:
    entity = dict(found)
    for name, kind in msgspec.json.decode(entity.pop(_CUT, "{}")).items():
        content = get_value(entity, f"{name}__")
        for part in range(-(-len(content) // PROPERTY_BYTES_MAX)):
            del entity[f"{name}__{part}"]
        entity[name] = content.decode() if kind == "text" else content
    return entity | {ETAG: str(found.metadata["etag"])}
