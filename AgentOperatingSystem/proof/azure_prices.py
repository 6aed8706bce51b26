"""What Azure asks for, from a dated file, and what counted operations come to. Read by the benchmark and by `aos cost
estimate`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

FILE: Final = "azure_prices.json"
_METERS: Final = {
    "transactions": "table_transaction",
    "reads": "table_transaction",
    "writes": "table_transaction",
    "blob_writes": "blob_write",
    "blob_reads": "blob_read",
    "queue_operations": "queue_operation",
}
"""Which meter a counted operation runs on. A transaction is one request, however many entities it holds."""


class AlwaysOn(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid by the month whether anything happens or not, to be held beside the rest."""

    name: str
    what: str
    low: float
    high: float
    source: str


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content; amounts in its currency."""

    as_of: str
    currency: str
    region: str
    note: str
    sources: tuple[str, ...]
    per_million: dict[str, float]
    per_gigabyte_second: dict[str, float]
    per_gigabyte_month: dict[str, float]
    per_month: dict[str, float]
    free_per_month: dict[str, float]
    always_on: tuple[AlwaysOn, ...]


@cache
def prices() -> Prices:
    """The prices that this version knows."""
    content = files(__package__).joinpath(FILE).read_bytes()
    return msgspec.json.decode(content, type=Prices)


def per_million_events(operations: Mapping[str, float]) -> float:
    """What a million events cost, when each takes so many operations; hosts, broker and storage space not counted."""
    known = prices().per_million
    return sum(count * known[_METERS[name]] for name, count in operations.items() if name in _METERS)
