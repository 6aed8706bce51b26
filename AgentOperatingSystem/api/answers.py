"""Answers, and how a handler that is no more than an ASGI function sends them.

The routes for events are plain ASGI, because they are the ones that are asked thousands of times a second; all others
are FastAPI's.
"""

from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Send

JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of any view or JSON value."""
    return Response(_encode(value), status, headers, media_type="application/json")


def answer_bytes(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that is encoded already."""
    return Response(content, status, headers, media_type="application/json")


async def send_json(send: Send, value: Any, status: int = 200, location: str = "") -> None:
    """Sends a JSON answer."""
    body = _encode(value)
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    if location:
        headers.append((b"location", location.encode("ascii")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
