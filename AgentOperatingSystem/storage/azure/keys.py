"""How partitions and rows are named in a table: injective, within the service's alphabet and lengths, in our order.

Pure functions for `drafts`, `hints` and `lists`. Azure forbids `/ \\ # ?` and control characters in keys, and asks for
at most 1 KiB of UTF-16 per key; the order of keys is that of their characters. Names that must sort are therefore
written as the hexadecimal digits of their UTF-8, which sort as the names do; addresses that must only be found again
are written readably. Source: Microsoft Learn, "Understanding the Table service data model".

    partition                    row               what it is
    <tenant>|<name>=2F<key>      h                 the head: the fence
                                 e|<event key>     an event's row: the dedupe mark
                                 r|<kind>|<name>   a small row
                                 v|<version>|…     hint: events changed at this version
                                 o|<order>|…       hint: events parked at this order and above
    =agents|<tenant>|            <address>         hint: this agent exists
    =open|<tenant>|<status>      <address>         hint: this agent has, or had, events of this open status
"""

import re
from hashlib import sha256
from typing import Final

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.ids import AgentId

HEAD: Final = "h"
EVENTS: Final = "e|"
VERSIONS: Final = "v|"
ORDERS: Final = "o|"
BEYOND: Final = "~~"
"""Appended to the beginning of a key, it is above all keys that begin so: nothing after our prefixes goes on so."""
AGENTS: Final = "=agents|"
_OPEN: Final = "=open|"
_READABLE_LENGTH_MAX: Final = 300
_ORDERED_DIGITS_MAX: Final = 360
_KIND_LENGTH_MAX: Final = 64
_BIAS: Final = 10**18
_PLAIN: Final = re.compile(rb"[^A-Za-z0-9_.|\-]")


def partition_of(agent: AgentId) -> str:
    """The agent's partition key. `=` begins an escape, so no two agents share one."""
    return _readable(agent.partition)


def event_row(key: str) -> str:
    """The row key of an event's row."""
    return EVENTS + _readable(key)


def kind_prefix(kind: str) -> str:
    """What the row keys of all small rows of a kind begin with."""
    escaped = _readable(kind).replace("|", "=7C")
    if len(escaped) > _KIND_LENGTH_MAX:
        escaped = "=sha256=" + sha256(_utf8(kind)).hexdigest()[:48]
    return f"r|{escaped}|"


def small_row(kind: str, name: str) -> str:
    """The row key of a small row; names sort as their keys do, as far as `ordered` says."""
    return kind_prefix(kind) + ordered(name)


def agents_partition(tenant: str) -> str:
    """The partition that lists a tenant's agents; the closing bar lets `t|` sort before `t2|` as addresses do."""
    return f"{AGENTS}{tenant}|"


def open_partition(tenant: str, status: str) -> str:
    """The partition that lists the agents of a tenant which have, or had, events of this status."""
    return f"{_OPEN}{tenant}|{_readable(status)}"


def address_of(agent: AgentId) -> str:
    """`name/key`: what agents of one tenant are sorted by."""
    return f"{agent.name}/{agent.key}"


def ordered(text: str) -> str:
    """A key that sorts as `text` does by code points; texts with the same long beginning are told apart by a hash, so
    that their order among each other has to be restored by the reader (`coarse`).
    """
    digits = _utf8(text).hex()
    if len(digits) <= _ORDERED_DIGITS_MAX:
        return digits
    return f"{digits[:_ORDERED_DIGITS_MAX]}~{sha256(_utf8(text)).hexdigest()}"


def coarse(text: str) -> str:
    """The part of `ordered` that sorts: a text with a lower one comes first; with the same one, nothing is said."""
    return _utf8(text).hex()[:_ORDERED_DIGITS_MAX]


def number(value: int) -> str:
    """A number of fixed length, negative ones included, that sorts as it counts. Raises `InvalidInput` beyond 10^18."""
    if not -_BIAS <= value <= _BIAS:
        raise InvalidInput(f"{value} is too large for a place in a mailbox or a history: at most 10^18")
    return f"{value + _BIAS:019d}"


def number_of(text: str) -> int:
    """The inverse of `number`."""
    return int(text) - _BIAS


def _readable(text: str) -> str:
    """`text` with everything unusual escaped; a long one is cut and hashed. Escapes hold upper-case digits only, so
    nothing else looks like `=sha256=`.
    """
    escaped = _PLAIN.sub(lambda found: b"=%02X" % found[0][0], _utf8(text)).decode("ascii")
    if len(escaped) <= _READABLE_LENGTH_MAX:
        return escaped
    return f"{escaped[:200]}=sha256={sha256(_utf8(text)).hexdigest()}"


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{text[:80]!r} cannot be stored: it holds half of a surrogate pair") from None
