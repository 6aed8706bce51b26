"""A change as one transaction: which entities, and which values go to blobs first. Pure; sends nothing.

`AzureAgentStore.commit` asks for a `Draft`, puts its `overflow` into blobs and hands its `operations` to `commit`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from AgentOperatingSystem.errors import Conflict, TooLarge
from AgentOperatingSystem.storage.azure import keys, packing
from AgentOperatingSystem.storage.azure.batch import Operation, Verb
from AgentOperatingSystem.storage.azure.hints import hint_entities
from AgentOperatingSystem.storage.azure.packing import Entity
from AgentOperatingSystem.storage.records import ENDS, Change, EventRow, Head, Row

_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace
_USUAL: Final = re.compile(r"""W/"datetime'([0-9A-Z%:.-]+)'\"""")
"""A table's ETags as they are; the quotes do not fit into a header of ours."""
_OTHER: Final = "!"
"""Begins an ETag of another shape."""


class Fence(NamedTuple):
    """What a caller's ETag says: the stored head's own, and which lists of open events know the agent already."""

    etag: str
    listed: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str, agent: object) -> "Fence":
        """Raises `Conflict` where no store of this kind gave it: then no head has it."""
        if not text:
            return cls("")
        time, mark, listed = text.rpartition("~")
        if not (time and mark):
            raise Conflict(f"{agent}: the ETag {text[:80]!r} is not the stored one")
        etag = unquote(time[1:]) if time[0] == _OTHER else f"W/\"datetime'{time}'\""
        return cls(etag, frozenset(listed.split("+")) - {""})

    def text(self) -> str:
        """As callers keep it: fit for an HTTP header."""
        usual = _USUAL.fullmatch(self.etag)
        time = usual[1] if usual else _OTHER + quote(self.etag, safe="")
        return f"{time}~{'+'.join(sorted(self.listed))}"


class Value(NamedTuple):
    """A value and the entity that it belongs to."""

    entity: Entity
    name: str
    content: bytes


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What an entity says of a value that lies in a blob."""

    commit: str
    size: int
    digest: str


class Overflow(NamedTuple):
    """A value that goes to a blob before the commit."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a commit sends, in the order of sending."""

    commit: str
    overflow: list[Overflow]
    opened: frozenset[str]
    """Open statuses that the agent has events of, for the first time that the fence knows of."""
    ahead: list[Entity]
    """Hints that do not fit into the transaction."""
    operations: list[Operation]


def drafted(change: Change, fence: Fence, commit: str, now: float, voids: Sequence[str] = ()) -> Draft:
    """`voids` are rows of hints that this change leaves behind; they go with it where there is room.

    Raises `TooLarge` where the service would refuse the change, `InvalidInput` for names that are no text.
    """
    partition = keys.partition_of(change.head.agent)
    events = (*change.inserts, *change.updates)
    opened = frozenset(str(row.status) for row in events if row.status not in ENDS) - fence.listed
    values: list[Value] = []
    operations = [
        _head(change.head, fence, opened, partition, commit, values),
        *(_event("create", row, partition, values) for row in change.inserts),
        *(_event("replace", row, partition, values) for row in change.updates),
        *(Operation("delete", _named(partition, keys.event_row(key))) for key in dict.fromkeys(change.deletes)),
        *_small(change.rows, partition, values),
    ]
    what = f"the change of {change.head.agent}"
    packing.check_transaction(len(operations), 0, what)
    hints = hint_entities(partition, events, commit, now)
    fit = len(operations) + len(hints) <= packing.OPERATIONS_MAX
    operations += [Operation("create", hint) for hint in hints if fit]
    room = packing.OPERATIONS_MAX - len(operations)
    operations += [Operation("delete", _named(partition, row)) for row in voids[:room]]
    overflow = _packed(values, operations, commit, what)
    _check(operations, what)
    return Draft(commit, overflow, opened, [] if fit else [hint | {"ahead": True} for hint in hints], operations)


def overflow_path(entity: Entity, name: str, commit: str) -> str:
    """Where a value lies that does not lie in its entity; keys hold no slash, so the path can be taken apart."""
    return f"{entity['PartitionKey']}/{entity['RowKey']}/{name}/{commit}"


def mark_of(text: str) -> Mark:
    """What an entity says of its value in a blob."""
    return msgspec.json.decode(text, type=Mark)


def _head(
    head: Head, fence: Fence, opened: frozenset[str], partition: str, commit: str, values: list[Value]
) -> Operation:
    entity = _named(partition, keys.HEAD) | {"commit": commit, "listed": "+".join(sorted(fence.listed | opened))}
    values.append(Value(entity, "r", _encode(_replace(head, state=b""))))
    values.append(Value(entity, "s", head.state))
    return Operation("replace", entity, fence.etag) if fence.etag else Operation("create", entity)


def _event(verb: Verb, row: EventRow, partition: str, values: list[Value]) -> Operation:
    entity = _named(partition, keys.event_row(row.key)) | {"status": str(row.status)}
    values.append(Value(entity, "r", _encode(row)))
    return Operation(verb, entity)


def _small(rows: Sequence[Row], partition: str, values: list[Value]) -> Iterable[Operation]:
    for row in {(row.kind, row.name): row for row in rows}.values():
        entity = _named(partition, keys.small_row(row.kind, row.name))
        if row.value is None:
            yield Operation("delete", entity)
        else:
            values += [Value(entity, "n", row.name.encode()), Value(entity, "v", row.value)]
            yield Operation("upsert", entity)


def _named(partition: str, row: str) -> Entity:
    return {"PartitionKey": partition, "RowKey": row}


def _packed(values: list[Value], operations: Sequence[Operation], commit: str, what: str) -> list[Overflow]:
    """Lays values into their entities, the largest into blobs: those too large for a row, and as many more as the
    transaction has no room for.
    """
    _check_values(values, what)
    room = packing.TRANSACTION_BYTES_MAX - sum(packing.request_bytes(each.entity) for each in operations)
    overflow: list[Overflow] = []
    for value in sorted(values, key=_size):
        cost = _size(value) * 4 // 3 + 100 * (1 + _size(value) // packing.PROPERTY_BYTES_MAX)
        if _size(value) <= packing.INLINE_BYTES_MAX and cost <= room:
            packing.put_value(value.entity, value.name, value.content)
            room -= cost
        else:
            overflow.append(_out(value, commit))
            room -= 300
    return overflow


def _out(value: Value, commit: str) -> Overflow:
    mark = Mark(commit, len(value.content), sha256(value.content).hexdigest())
    value.entity[f"{value.name}_out"] = _encode(mark).decode()
    return Overflow(overflow_path(value.entity, value.name, commit), value.content)


def _check_values(values: Sequence[Value], what: str) -> None:
    largest = max(map(_size, values))
    if largest > packing.OVERFLOW_BYTES_MAX:
        raise TooLarge(f"{what} has a value of {largest} bytes; the largest is {packing.OVERFLOW_BYTES_MAX}")
    total = sum(map(_size, values))
    if total > packing.COMMIT_BYTES_MAX:
        raise TooLarge(f"{what} has {total} bytes; the most that one change may have is {packing.COMMIT_BYTES_MAX}")


def _check(operations: Sequence[Operation], what: str) -> None:
    for operation in operations:
        packing.check_entity(operation.entity, what)
    size = sum(packing.request_bytes(operation.entity) for operation in operations)
    packing.check_transaction(len(operations), size, what)


_size: Callable[[Value], int] = lambda value: len(value.content)  # noqa: E731
