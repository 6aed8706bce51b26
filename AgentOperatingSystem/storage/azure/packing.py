"""How values lie in an entity, and what an entity and a transaction may hold: pure, checked before anything is sent.

The emulator accepts entities that the service refuses and breaks on long transactions, so the limits are ours to keep.
Sources: Microsoft Learn, "Understanding the Table service data model" (1 MiB per entity, 252 properties, 64 KiB per
binary property) and "Performing entity group transactions" (100 operations, 4 MiB).
"""

from collections.abc import Mapping
from typing import Any, Final

from AgentOperatingSystem.errors import StateUnreadable, TooLarge

KIB: Final = 1024
MIB: Final = 1024 * KIB
PROPERTY_BYTES_MAX: Final = 64 * KIB
ENTITY_BYTES_MAX: Final = MIB
TRANSACTION_BYTES_MAX: Final = 4 * MIB
OPERATIONS_MAX: Final = 100
INLINE_BYTES_MAX: Final = 448 * KIB
"""The largest value that lies in an entity; so an entity holds two of them (a head's record and its state)."""
PARTS_MAX: Final = INLINE_BYTES_MAX // PROPERTY_BYTES_MAX
OVERFLOW_BYTES_MAX: Final = 100 * MIB
"""The largest single value; it lies in a blob of its own."""
COMMIT_BYTES_MAX: Final = 256 * MIB
"""All values of one change together."""
_OPERATION_BYTES: Final = 1536
"""What one operation of a transaction costs beside its entity: its part's headers and its address."""

Entity = dict[str, Any]


def put_value(entity: Entity, name: str, value: bytes) -> None:
    """Lays `value` into `name0`, `name1` …, 64 KiB each."""
    for at in range(0, len(value), PROPERTY_BYTES_MAX):
        entity[f"{name}{at // PROPERTY_BYTES_MAX}"] = value[at : at + PROPERTY_BYTES_MAX]


def properties_of(name: str) -> list[str]:
    """The properties that a value may lie in, to be selected."""
    return [f"{name}{part}" for part in range(PARTS_MAX)] + [f"{name}_out"]


def get_value(entity: Mapping[str, Any], name: str) -> bytes:
    """The value that `put_value` laid there; empty where there is none. Raises `StateUnreadable`."""
    parts: list[bytes] = []
    while (part := entity.get(f"{name}{len(parts)}")) is not None:
        if not isinstance(part, bytes):
            raise StateUnreadable(f"property {name}{len(parts)} of an entity holds no bytes")
        parts.append(part)
    return b"".join(parts)


def entity_bytes(entity: Mapping[str, Any]) -> int:
    """The size of an entity as the service counts it: UTF-16 names and texts, values, a little for each."""
    size = 4 + 2 * len(entity["PartitionKey"] + entity["RowKey"])
    for name, value in entity.items():
        if name not in ("PartitionKey", "RowKey"):
            size += 8 + 2 * len(name) + _value_bytes(value)
    return size


def request_bytes(entity: Mapping[str, Any]) -> int:
    """At most what an entity adds to a transaction's body, where binary values are written as base64."""
    keys = len(entity["PartitionKey"]) + len(entity["RowKey"])
    values = sum(2 * len(name) + 24 + _written_bytes(value) for name, value in entity.items())
    return _OPERATION_BYTES + 4 * keys + values


def check_entity(entity: Mapping[str, Any], what: str) -> None:
    """Raises `TooLarge` where the service would refuse the entity."""
    size = entity_bytes(entity)
    if size > ENTITY_BYTES_MAX:
        raise TooLarge(f"{what} makes an entity of {size} bytes; a table holds {ENTITY_BYTES_MAX} in one")
    for name, value in entity.items():
        if _value_bytes(value) > PROPERTY_BYTES_MAX + 4:
            raise TooLarge(f"{what} has a property {name} of {_value_bytes(value)} bytes; {PROPERTY_BYTES_MAX} fit")


def check_transaction(operations: int, size: int, what: str) -> None:
    """Raises `TooLarge` where the service would refuse the transaction."""
    if operations > OPERATIONS_MAX:
        raise TooLarge(
            f"{what} changes {operations} entities at once; one transaction holds {OPERATIONS_MAX}:"
            " handle fewer events, or write fewer small rows, in one turn"
        )
    if size > TRANSACTION_BYTES_MAX:
        raise TooLarge(f"{what} is {size} bytes; one transaction holds {TRANSACTION_BYTES_MAX}")


def _value_bytes(value: object) -> int:
    if isinstance(value, bytes):
        return 4 + len(value)
    return 4 + len(value.encode("utf-16-le", "surrogatepass")) if isinstance(value, str) else 8


def _written_bytes(value: object) -> int:
    if isinstance(value, bytes):
        return -(-len(value) // 3) * 4
    return 6 * len(value) if isinstance(value, str) else 24
