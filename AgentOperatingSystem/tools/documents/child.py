"""The process that reads one document: takes what it needs, gives up the rest, reads, answers, ends.

`reader` starts it and reads its answer. Its limits are set before the first byte of the document is looked at; where
the kernel has seccomp, it can then neither start a program nor open a connection.
"""

import importlib
import os
import sys
from contextlib import suppress
from typing import Any

import msgspec

from AgentOperatingSystem.tools.documents.formats.given import Given, OverLimit, Unreadable

LENGTH_BYTES = 8


def main() -> None:
    """Reads a question from standard input, writes one answer to standard output."""
    given = Given(**msgspec.json.decode(_exactly(_length())))
    content = _exactly(_length())
    answer = _answer(content, given)
    while answer:
        answer = answer[os.write(1, answer) :]


def _answer(content: bytes, given: Given) -> bytes:
    try:
        read = importlib.import_module(f"AgentOperatingSystem.tools.documents.formats.{given.kind}").read
    except ModuleNotFoundError as error:
        return _said("missing", str(error.name))
    _give_up(given)
    try:
        document = read(content, given)
    except Unreadable as error:
        return _said("unreadable", str(error))
    except OverLimit as error:
        return _said("too-large", str(error))
    except MemoryError:
        return _said("too-large", f"it needs more than {given.memory_bytes_max} bytes of memory to be read")
    except Exception as error:
        return _said("unreadable", f"{type(error).__name__}: {error}")
    return msgspec.json.encode({"document": document})


def _give_up(given: Given) -> None:
    """Sets limits that cannot be raised again, where the system has them; everywhere the host watches the time."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(given.seconds_max) + 1
    for limit, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (given.memory_bytes_max, given.memory_bytes_max))
        _shut_in()


def _shut_in() -> None:
    """A second wall behind the process itself; on a machine without it, the first one stands."""
    from AgentOperatingSystem.tools.sandbox.cage import libc, seccomp

    with suppress(OSError):
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install()


def _said(error: str, message: str) -> bytes:
    said: dict[str, Any] = {"error": error, "message": message[:1000]}
    return msgspec.json.encode(said)


def _length() -> int:
    return int.from_bytes(_exactly(LENGTH_BYTES), "big")


def _exactly(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            raise EOFError("the host has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
