"""The shape of connection strings, checked before anything is connected.

Pure functions for `settings`; a complaint names the part that is missing and never repeats the string, which holds a
key. Sources: Microsoft Learn, "Configure Azure Storage connection strings", and "Service Bus connection strings" of the
Service Bus documentation; PostgreSQL documentation, "Connection URIs".
"""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

_SECRET_PARTS = frozenset({"accountkey", "sharedaccesskey", "sharedaccesssignature", "instrumentationkey"})
_SIGNATURE = re.compile(r"(?:^|[?&])sig=([^&]+)")
_HEADER_LENGTH_MIN = 8
_STORAGE_ENDPOINTS = frozenset({"blobendpoint", "tableendpoint", "queueendpoint", "fileendpoint"})


def check_storage(text: str) -> str:
    """The text itself where it has the shape of a storage account's connection string; else raises `ValueError`."""
    parts = _parts(text)
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return text
    if not parts.keys() & (_STORAGE_ENDPOINTS | {"accountname"}):
        raise ValueError("a storage connection string needs AccountName=… or an endpoint such as BlobEndpoint=…")
    if not parts.keys() & _SECRET_PARTS:
        raise ValueError("a storage connection string needs AccountKey=… or SharedAccessSignature=…")
    return text


def check_servicebus(text: str) -> str:
    """The text itself where it has the shape of a Service Bus namespace's connection string; else raises
    `ValueError`."""
    parts = _parts(text)
    host = parts.get("endpoint", "").removeprefix("sb://").strip("/")
    if not parts.get("endpoint", "").startswith("sb://") or not host:
        raise ValueError("a Service Bus connection string needs Endpoint=sb://<namespace>.servicebus.windows.net/")
    if "sharedaccesssignature" in parts:
        return text
    if not {"sharedaccesskeyname", "sharedaccesskey"} <= parts.keys():
        raise ValueError("a Service Bus connection string needs SharedAccessKeyName=… and SharedAccessKey=…")
    return text


def check_database(text: str) -> str:
    """The text itself where it has the shape of a PostgreSQL connection URI; else raises `ValueError`."""
    try:
        url = urlsplit(text)
        is_sound = url.scheme in ("postgresql", "postgres") and bool(url.path.strip("/")) and url.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        raise ValueError("a database URL looks like postgresql://user:password@host:5432/database")
    return text


def secret_parts(text: str) -> Iterator[str]:
    """The values within a connection string that must never be shown, even alone."""
    if text.startswith(("postgresql://", "postgres://")):
        password = urlsplit(text).password
        yield from {password, unquote(password)} if password else ()
    for name, value in _pairs(text):
        if name in _SECRET_PARTS and value:
            yield value
        if name == "sharedaccesssignature":
            yield from parse_qs(value).get("sig", ())
            yield from _SIGNATURE.findall(value)
    if ";" not in text and "://" not in text:
        yield from _header_values(text)


def _header_values(text: str) -> Iterator[str]:
    """`name=value,name=value`, as OpenTelemetry's exporters take headers."""
    for part in text.split(","):
        value = unquote(part.partition("=")[2].strip())
        yield from (each for each in (value, value.rpartition(" ")[2]) if len(each) >= _HEADER_LENGTH_MIN)


def _parts(text: str) -> dict[str, str]:
    pairs = list(_pairs(text))
    if not all(name and value for name, value in pairs):
        raise ValueError("a connection string is a list of Name=Value pairs with ';' between them")
    return dict(pairs)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.strip().strip(";").split(";"):
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip()
