"""What a cage answers: one line of JSON, then the bytes of standard output, standard error and the result.

Nothing in it is believed beyond its size: the host reads at most what it allowed, and the program chose the bytes.
"""

import json
from typing import NamedTuple

MEMORY_EXIT = 86
"""The program's exit code after a MemoryError that it did not catch."""


class Report(NamedTuple):
    """How a program ended."""

    reason: str
    exit_code: int | None = None
    duration_seconds: float = 0.0
    stdout: bytes = b""
    stderr: bytes = b""
    result: bytes = b""
    unavailable: str = ""  # why there is no cage; then the program has not run


def encode(report: Report) -> bytes:
    """As it goes through the pipe."""
    parts = (report.stdout, report.stderr, report.result)
    header = {
        "reason": report.reason,
        "exit_code": report.exit_code,
        "duration_seconds": report.duration_seconds,
        "unavailable": report.unavailable,
        "sizes": [len(part) for part in parts],
    }
    return b"".join((json.dumps(header).encode(), b"\n", *parts))


def decode(content: bytes) -> Report:
    """The inverse of `encode`. Raises `ValueError` where the content is not a whole report."""
    line, _, body = content.partition(b"\n")
    header = json.loads(line)
    first, second, third = header.pop("sizes")
    if len(body) != first + second + third:
        raise ValueError(f"a report of {first + second + third} bytes has {len(body)}")
    rest = body[first:]
    return Report(**header, stdout=body[:first], stderr=rest[:second], result=rest[second:])


def reason_of(stopped_for: str | None, status: int) -> str:
    """Why a program ended: what it was stopped for, or what its exit status says. A negative status is a signal."""
    if stopped_for:
        return stopped_for
    if status == 0:
        return "done"
    if status in (MEMORY_EXIT, -9):  # nobody but the kernel's memory killer sends this one from outside
        return "memory"
    return "error" if status > 0 else "signal"
