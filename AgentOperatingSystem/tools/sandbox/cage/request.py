"""What the host asks of a cage: one JSON object behind its length, on standard input."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple


class View(NamedTuple):
    """The files of the host that a program may read, and where its modules are."""

    folders: Sequence[str] = ()  # read-only, at their own paths
    hidden: Sequence[str] = ()  # folders below those that look empty
    files: Sequence[Sequence[str]] = ()  # (source, target): shared libraries
    packages: Sequence[str] = ()  # folders and files that appear below /packages
    path: Sequence[str] = ()  # the program's sys.path


class Request(NamedTuple):
    """One program with everything that bounds it."""

    code: str
    inputs: Any
    view: View
    timeout_seconds: float
    memory_bytes_max: int
    output_bytes_max: int
    scratch_bytes_max: int
    file_bytes_max: int
    threads_max: int
    control_groups: Sequence[str] = ()  # folders of control groups that the cage joins


def encode(request: Request) -> bytes:
    """The request as it goes through the pipe. Raises `ValueError` or `TypeError` where the inputs are not JSON."""
    body = json.dumps({**request._asdict(), "view": request.view._asdict()}, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )
    return len(body).to_bytes(8, "big") + body


def read(descriptor: int) -> Request:
    """The inverse of `encode`; reads not a byte more. Raises `EOFError` where the host has gone."""
    size = int.from_bytes(_exactly(descriptor, 8), "big")
    fields = json.loads(_exactly(descriptor, size).decode("utf-8", "surrogatepass"))
    return Request(**{**fields, "view": View(**fields["view"])})


def _exactly(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            raise EOFError("the host has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
