"""One Azure table: transactions on one partition, point reads, range queries. The commit rests on `transact`.

Fed by `commit`, `lists` and `store`; speaks to the SDK's client. Reads and single upserts are repeated when the service
is busy; a transaction is sent once, for only its owner knows how to find out what became of it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from azure.core import MatchConditions
from azure.data.tables import TransactionOperation, UpdateMode
from azure.data.tables.aio import TableClient

from AgentOperatingSystem.storage.azure.calls import Calls, Rejected, asked
from AgentOperatingSystem.storage.azure.packing import OPERATIONS_MAX, Entity

Verb = Literal["create", "replace", "upsert", "delete"]
_VERBS: Final = {
    "create": TransactionOperation.CREATE,
    "replace": TransactionOperation.UPDATE,
    "upsert": TransactionOperation.UPSERT,
    "delete": TransactionOperation.DELETE,
}
_CONDITIONAL: Final = frozenset({"replace", "delete"})
PAGE: Final = 1000
"""Entities that one answer holds at most."""


class Operation(NamedTuple):
    """One entity's part of a transaction. Replacing and deleting ask that the entity is there."""

    verb: Verb
    entity: Entity
    etag: str = ""
    """The ETag that the stored entity must have; empty: any."""


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

    async def transact(self, operations: Sequence[Operation]) -> str:
        """Everything or nothing, sent once; answers the ETag of the first entity. Raises `Busy`, `Rejected`."""
        sent = [_for_sdk(operation) for operation in operations]
        answers = await asked(f"table {self.name}", lambda: self._client.submit_transaction(sent))
        return str(answers[0].get("etag") or "")

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


def _for_sdk(operation: Operation) -> tuple[TransactionOperation, Entity, dict[str, Any]]:
    options: dict[str, Any] = {}
    if operation.verb in ("replace", "upsert"):
        options["mode"] = UpdateMode.REPLACE
    if operation.verb in _CONDITIONAL and operation.etag:
        options |= {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified}
    elif operation.verb in _CONDITIONAL:
        options["match_condition"] = MatchConditions.Unconditionally
    return _VERBS[operation.verb], operation.entity, options


def _keys(entity: Mapping[str, Any]) -> Entity:
    return {"PartitionKey": entity["PartitionKey"], "RowKey": entity["RowKey"]}
