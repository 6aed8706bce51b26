"""Bodies of requests: read within a limit, then decoded; whatever is wrong with one becomes an error that says what.

The limit is checked while the body comes in, so a hundred mebibytes are refused after the first one. What was refused
and is still on its way is dropped by the server.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.errors import AOSError, InvalidInput, TooLarge, UnsupportedMediaType

T = TypeVar("T")
Headers = Mapping[bytes, bytes]
"""By lower-case name; of a header that is given twice, the last one counts."""


def header(headers: Headers, name: bytes) -> str | None:
    """A header as text; None where it was not sent. Raises `InvalidInput` where it is not UTF-8."""
    value = headers.get(name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"header {name.decode('latin-1')}: not UTF-8") from None


async def read_body(headers: Headers, receive: Receive, bytes_max: int) -> bytes:
    """The whole body. Raises `TooLarge`, as early as it can be known; `ClientDisconnect`."""
    _check_length(header(headers, b"content-length"), bytes_max)
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return _within(message.get("body", b""), bytes_max)
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


async def read_json(request: Request, kind: type[T], door: Door, empty: T | None = None) -> T:
    """The body of a request to one of FastAPI's routes; `empty` where there is none. Raises `InvalidInput`."""
    headers = dict(request.headers.raw)
    body = await read_body(headers, request.receive, door.body_bytes_max)
    if not body and empty is not None:
        return empty
    check_json(headers)
    return decode(body, kind, depth_max=door.config.event_depth_max + 1)


def check_json(headers: Headers) -> None:
    """Raises `UnsupportedMediaType` where the body says that it is something else; one that says nothing is taken as
    JSON.
    """
    content_type = header(headers, b"content-type")
    if content_type is None:
        return
    media = content_type.partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise UnsupportedMediaType(f"content type {media[:80]!r} is not read here; send application/json")


def decode(body: bytes, kind: type[T], *, depth_max: int = 0) -> T:
    """The body as a `kind`, nested at most `depth_max` levels deep where that is said. Raises `InvalidInput` and says
    what is wrong, and where.
    """
    try:
        value = msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise _too_deep(depth_max) from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: {error.reason} (in a text, at byte {error.start} of it)") from None
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body does not fit: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the body is not JSON, or has a text with half a surrogate pair: {error}") from None
    if depth_max and body.count(b"{") + body.count(b"[") > depth_max:
        check_depth(msgspec.to_builtins(value, builtin_types=(bytes,)), depth_max)
    return value


def check_depth(value: Any, depth_max: int) -> None:
    """Raises `InvalidInput` where objects and lists lie more than `depth_max` levels deep; looks at each once."""
    level = _containers([value])
    for _ in range(depth_max):
        if not level:
            return
        level = [
            found for outer in level for found in _containers(outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise _too_deep(depth_max)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _check_length(length: str | None, bytes_max: int) -> None:
    if length is not None and (not length.isdigit() or int(length[:18]) > bytes_max):
        raise _too_large(bytes_max)


def _within(body: bytes, bytes_max: int) -> bytes:
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


def _too_large(bytes_max: int) -> AOSError:
    return TooLarge(f"the body is larger than {bytes_max} bytes, the most that is read here")


def _too_deep(depth_max: int) -> AOSError:
    return InvalidInput(f"the body is nested deeper than {depth_max} levels; event_depth_max says how deep it may be")
