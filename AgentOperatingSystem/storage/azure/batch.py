"""An entity group transaction as the bytes of one request, and its answer read back: pure.

`table.Table.transact` sends what `encoded` makes through the SDK's own pipeline, so that credentials, headers, proxies,
tracing and transport are the SDK's. Only the body is made here: the SDK builds a request object and an e-mail message
for every entity, which costs milliseconds of CPU where this costs a tenth of one. The bytes are those that the SDK
would send, held to it by tests/unit/storage/azure/test_batch.py. Source: Microsoft Learn, "Performing entity group
transactions", "Payload format for Table service operations".
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from AgentOperatingSystem.errors import InvalidInput

Verb = Literal["create", "replace", "upsert", "delete"]
VERSION: Final = "2019-02-02"
"""Of the table service's protocol; the SDK's."""
_SHORT: Final = "application/json;odata=minimalmetadata"
_ACCEPT: Final = {"create": _SHORT, "delete": _SHORT, "replace": "application/json", "upsert": "application/json"}
_METHOD: Final = {"create": "POST", "replace": "PUT", "upsert": "PUT", "delete": "DELETE"}
_CONDITIONAL: Final = frozenset({"replace", "delete"})
_PART: Final = "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: "
_to_json = json.JSONEncoder().encode
_INNER: Final = re.compile(rb"boundary=(\S+)")
_STATUS: Final = re.compile(rb"^HTTP/1\.[01] (\d{3})", re.MULTILINE)
_ETAG: Final = re.compile(rb"^ETag: *(.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_INT32_MAX: Final = 2**31 - 1


class Operation(NamedTuple):
    """One entity's part of a transaction. Replacing and deleting ask that the entity is there."""

    verb: Verb
    entity: dict[str, Any]
    etag: str = ""
    """The ETag that the stored entity must have; empty: any."""


class Part(NamedTuple):
    """What became of one operation."""

    status: int
    etag: str
    code: str
    """The service's name of the error; empty where there is none."""
    message: str


class Boundaries(NamedTuple):
    """What separates the parts of a request; of no meaning, and in none of its values."""

    batch: str
    changes: str


def encoded(operations: Sequence[Operation], table_url: str, date: str, between: Boundaries) -> bytes:
    """The body of the request; `date` is that of its header, as HTTP writes it.

    Raises `InvalidInput` where an entity holds a value that is no bytes, text, number or truth.
    """
    parts = [
        f"--{between.changes}{_PART}{number}\r\n\r\n{_part(operation, table_url, date)}\r\n"
        for number, operation in enumerate(operations)
    ]
    text = (
        f"--{between.batch}\r\nContent-Type: multipart/mixed; boundary={between.changes}\r\n\r\n{''.join(parts)}"
        f"--{between.changes}--\r\n\r\n--{between.batch}--\r\n"
    )
    return text.encode("ascii")


def answered(body: bytes) -> list[Part]:
    """What became of each operation, or of the one that broke the transaction. Empty where the answer is none."""
    inner = _INNER.search(body)
    if inner is None:
        return []
    parts = body.split(b"--" + inner[1].strip(b'"'))[1:]
    return [_answer(part) for part in parts if _STATUS.search(part)]


def complaint(body: bytes) -> tuple[str, str]:
    """Name and text of an error, as far as they can be read."""
    try:
        error = json.loads(body)["odata.error"]
        code, text = str(error["code"]), str(error["message"]["value"])
    except (ValueError, KeyError, TypeError):
        code, text = "", body.decode("utf-8", "replace")
    return code, (text.strip().splitlines() or ["no reason given"])[0][:300]


def written(entity: Mapping[str, Any]) -> str:
    """An entity as the service reads it: JSON, with the types of its values beside them."""
    properties: dict[str, Any] = {}
    for name, value in entity.items():
        kind, properties[name] = _value(name, value)
        if kind:
            properties[name + "@odata.type"] = kind
    return _to_json(properties)


def _part(operation: Operation, table_url: str, date: str) -> str:
    verb, entity, etag = operation
    body = "" if verb == "delete" else written(entity)
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    prefer = "Prefer: return-no-content\r\n" if verb == "create" else ""
    match = f"If-Match: {etag or '*'}\r\n" if verb in _CONDITIONAL else ""
    address = "" if verb == "create" else _address(entity)
    accept = f"{prefer}Accept: {_ACCEPT[verb]}\r\n{match}"
    return (
        f"{_METHOD[verb]} {table_url}{address} HTTP/1.1\r\n{content}x-ms-version: {VERSION}\r\n"
        f"DataServiceVersion: 3.0\r\n{accept}x-ms-date: {date}\r\nDate: {date}\r\n\r\n{body}"
    )


def _address(entity: Mapping[str, Any]) -> str:
    partition, row = (quote(entity[name].replace("'", "''"), safe="") for name in ("PartitionKey", "RowKey"))
    return f"(PartitionKey='{partition}',RowKey='{row}')"


def _value(name: str, value: Any) -> tuple[str, Any]:
    """The type that has to be said, if any, and the value as JSON has it."""
    match value:
        case bytes():
            return "Edm.Binary", b64encode(value).decode("ascii")
        case str():
            return "Edm.String", value
        case bool():
            return "", value
        case int() if abs(value) <= _INT32_MAX:
            return "", value
        case float() if value - value == 0.0:  # neither infinite nor NaN
            return "Edm.Double", value
    raise InvalidInput(f"property {name} of an entity: {value!r:.80} cannot lie in a table")


def _answer(part: bytes) -> Part:
    status = _STATUS.search(part)
    assert status is not None
    head, _, body = part[status.start() :].partition(b"\r\n\r\n")
    etag = _ETAG.search(head)
    code, message = complaint(body) if int(status[1]) >= 300 else ("", "")
    return Part(int(status[1]), etag[1].decode() if etag else "", code, message)
