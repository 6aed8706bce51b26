"""Counts the fsyncs of the measured part of a run by looking at the system calls, so that nobody has to be believed.

The runner marks where the measured part begins and ends with an fsync of a file of a known name; strace writes every
fsync with the path of its file; what lies between the two marks is counted. strace slows a process down, so such a
run is not timed.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_TRACE = ("strace", "-f", "-y", "--seccomp-bpf", "-e", "trace=fsync,fdatasync")


def mark(folder: Path, name: str) -> None:
    """Leaves a mark in the trace."""
    with (folder / f"measured.{name}").open("wb") as file:
        os.fsync(file.fileno())


def tracing(trace: Path) -> tuple[str, ...]:
    """What to put before a command to have its fsyncs written to the file `trace`."""
    return (*_TRACE, "-o", str(trace))


@cache
def can_trace() -> bool:
    """Whether strace is here and may trace: containers often forbid it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*_TRACE, "-o", os.devnull, sys.executable, "-c", ""], capture_output=True).returncode == 0


def counted(trace: str) -> int:
    """The fsyncs between the marks. A call that strace shows in two halves counts once."""
    calls = [line for line in trace.splitlines() if " fsync(" in line or " fdatasync(" in line]
    begin, end = (_position(calls, name) for name in ("begin", "end"))
    return end - begin - 1


def _position(calls: list[str], name: str) -> int:
    return next(number for number, line in enumerate(calls) if f"measured.{name}>" in line)
