"""One Azure table: transactions on one partition, point reads, range queries. The commit rests on `transact`.

Fed by `commit`, `lists` and `store`; speaks to the SDK's client, with a transaction's body from `batch`. Reads and
single upserts are repeated when the service is busy; a transaction is sent once, for only its owner knows how to find
out what became of it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import formatdate
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

from azure.core.exceptions import ClientAuthenticationError
from azure.core.rest import HttpRequest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from AgentOperatingSystem.storage.azure.batch import VERSION, Boundaries, Operation, answered, complaint, encoded
from AgentOperatingSystem.storage.azure.calls import Busy, Calls, Rejected, asked, asked_seconds, judged
from AgentOperatingSystem.storage.azure.packing import OPERATIONS_MAX, Entity

_HEADERS: Final = {
    "x-ms-version": VERSION,
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
    "Accept": "application/json",
}
_ACCEPTED: Final = 202
PAGE: Final = 1000
"""Entities that one answer holds at most."""


class Range(NamedTuple):
    """Rows of one partition, from `first` (included) to `beyond` (not included); optionally of one status."""

    partition: str
    first: str
    beyond: str
    status: str = ""


class Found(NamedTuple):
    """An entity as it lies in the table."""

    entity: Mapping[str, Any]
    etag: str


class Table:
    """The calls that this store makes. All raise `StoreUnavailable` where the service cannot be reached."""

    def __init__(self, client: TableClient, calls: Calls) -> None:
        self._client = client
        self.calls = calls
        self.name = client.table_name
        self._endpoint = f"{client.scheme}://{client._primary_hostname}"

    async def transact(self, operations: Sequence[Operation]) -> str:
        """Everything or nothing, sent once; answers the ETag of the first entity. Raises `Busy`, `Rejected`."""
        between = Boundaries(f"batch_{uuid4()}", f"changeset_{uuid4()}")
        date = formatdate(self.calls.clock.now(), usegmt=True)
        body = encoded(operations, f"{self._endpoint}/{self.name}", date, between)
        request = HttpRequest("POST", f"{self._endpoint}/$batch", headers=_HEADERS, content=body)
        request.headers["Content-Type"] = f"multipart/mixed; boundary={between.batch}"
        return await asked(f"table {self.name}", lambda: self._transacted(request, len(operations)))

    async def _transacted(self, request: HttpRequest, operations: int) -> str:
        """Through the client's own pipeline, as `submit_transaction` does it."""
        what = f"table {self.name}"
        response = await self._client._client.send_request(request, stream=True)
        body = await response.read()
        if response.status_code != _ACCEPTED:
            code, text = complaint(body)
            if response.status_code in (401, 403):
                raise ClientAuthenticationError(message=f"{text} ({code})", response=response)
            raise judged(what, response.status_code, code, f"{text} ({code})", asked_seconds(response.headers))
        parts = answered(body)
        for part in parts:
            if part.status >= 300:
                raise judged(what, part.status, part.code, f"{part.message} ({part.code})")
        if len(parts) != operations:
            raise Busy(f"{what}: the answer tells of {len(parts)} operations instead of {operations}")
        return parts[0].etag

    async def upsert(self, entity: Entity) -> None:
        """Writes one entity, over what was there."""
        await self._repeated(lambda: self._client.upsert_entity(entity, mode=UpdateMode.REPLACE))

    async def get(self, partition: str, row: str, select: Sequence[str] = ()) -> Found | None:
        """One entity, or those of its properties that are selected; None where it is not there."""
        try:
            found = await self._repeated(
                lambda: self._client.get_entity(partition, row, select=list(select) if select else None)
            )
        except Rejected as refusal:
            if refusal.http_status == 404:
                return None
            raise
        return Found(found, str(found.metadata.get("etag") or ""))

    async def pages(self, scope: Range, select: Sequence[str] = (), size: int = PAGE) -> AsyncIterator[list[Found]]:
        """Entities of a range by their keys, as many at once as the service gives; a page may be empty."""
        text = "PartitionKey eq @p and RowKey ge @a and RowKey lt @b" + (" and status eq @s" if scope.status else "")
        values = {"p": scope.partition, "a": scope.first, "b": scope.beyond, "s": scope.status}
        async for page in self._pages(text, values, select, size):
            yield page

    async def partitions(self, first: str, beyond: str, select: Sequence[str]) -> AsyncIterator[list[Found]]:
        """Entities of a range of partitions by their keys."""
        text = "PartitionKey ge @a and PartitionKey lt @b"
        async for page in self._pages(text, {"a": first, "b": beyond}, select, PAGE):
            yield page

    async def delete_all(self, found: Sequence[Found], *, conditional: bool) -> bool:
        """Deletes entities of one partition, a hundred at once; False where one had gone or (conditional) moved."""
        for at in range(0, len(found), OPERATIONS_MAX):
            part = found[at : at + OPERATIONS_MAX]
            batch = [Operation("delete", _keys(each.entity), each.etag if conditional else "") for each in part]
            try:
                await self.calls.repeated(f"table {self.name}", partial(self.transact, batch))
            except Rejected as refusal:
                if refusal.http_status in (404, 412):
                    return False
                raise
        return True

    async def _pages(
        self, text: str, values: Mapping[str, str], select: Sequence[str], size: int
    ) -> AsyncIterator[list[Found]]:
        token: Any = None
        while True:
            page, token = await self._repeated(partial(self._page, text, values, select, size, token))
            yield page
            if not token:
                return

    async def _page(
        self, text: str, values: Mapping[str, str], select: Sequence[str], size: int, token: Any
    ) -> tuple[list[Found], Any]:
        pager: Any = self._client.query_entities(
            text, parameters=dict(values), select=list(select) or None, results_per_page=min(size, PAGE)
        ).by_page(token)
        try:
            entities = [each async for each in await anext(pager)]
        except StopAsyncIteration:
            return [], None
        return [Found(each, str(each.metadata.get("etag") or "")) for each in entities], pager.continuation_token

    async def _repeated(self, call: Any) -> Any:
        return await self.calls.repeated(f"table {self.name}", call)


def _keys(entity: Mapping[str, Any]) -> Entity:
    return {"PartitionKey": entity["PartitionKey"], "RowKey": entity["RowKey"]}
