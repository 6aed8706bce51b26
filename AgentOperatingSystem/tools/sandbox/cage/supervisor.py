"""Process 1 of a cage: collects what the program writes, ends it at its deadline or at its output limit, reports.

It never returns before the program is dead. When it exits, for whatever reason, the kernel kills everything in its
process namespace with it. pid_namespaces(7).
"""

import os
import select
import signal
import time
from typing import NamedTuple

from AgentOperatingSystem.tools.sandbox.cage.report import Report, reason_of
from AgentOperatingSystem.tools.sandbox.cage.request import Request

_CHUNK = 1 << 16


class Child(NamedTuple):
    """The program's process, and the read ends of its pipes."""

    pid: int
    process: int  # a descriptor that can be polled for its end
    stdout: int
    stderr: int
    result: int


HOST = 0
"""The standard input that the host holds open."""


class Supervisor:
    """The one loop. `run` returns the report."""

    def __init__(self, child: Child, request: Request, launcher: int) -> None:
        self.child = child
        self.lifelines = (HOST, launcher)
        self.timeout_seconds = request.timeout_seconds
        self.room = request.output_bytes_max
        self.parts: dict[int, bytearray] = {}
        self.stopped_for: str | None = None

    def run(self) -> Report:
        """Until the program has ended and its pipes are empty."""
        started = time.monotonic()
        open_ends = {self.child.process, self.child.stdout, self.child.stderr, self.child.result}
        poll = select.poll()
        for descriptor in (*self.lifelines, *open_ends):
            poll.register(descriptor, select.POLLIN)
        while open_ends:
            for descriptor in self._ready(poll, started + self.timeout_seconds):
                if descriptor in self.lifelines:
                    os._exit(1)  # nobody would read a report
                if descriptor == self.child.process or not self._read(descriptor):
                    poll.unregister(descriptor)
                    open_ends.discard(descriptor)
        return self._report(time.monotonic() - started)

    def _ready(self, poll: select.poll, deadline: float) -> list[int]:
        if self.stopped_for is None:
            left = deadline - time.monotonic()
            if left > 0:
                return [descriptor for descriptor, _ in poll.poll(left * 1000)]
            self._stop("deadline")
        return [descriptor for descriptor, _ in poll.poll()]

    def _read(self, descriptor: int) -> bool:
        """Keeps what there is room for; False at the end of the pipe."""
        content = os.read(descriptor, _CHUNK)
        self.parts.setdefault(descriptor, bytearray()).extend(content[: self.room])
        self.room -= len(content)
        if self.room < 0:
            self.room = 0
            self._stop("output")
        return bool(content)

    def _stop(self, reason: str) -> None:
        if self.stopped_for is None:
            self.stopped_for = reason
            os.kill(self.child.pid, signal.SIGKILL)

    def _report(self, duration_seconds: float) -> Report:
        _, raw = os.waitpid(self.child.pid, 0)
        status = os.waitstatus_to_exitcode(raw)
        return Report(
            reason=reason_of(self.stopped_for, status),
            exit_code=status,
            duration_seconds=duration_seconds,
            stdout=self._kept(self.child.stdout),
            stderr=self._kept(self.child.stderr),
            result=self._kept(self.child.result),
        )

    def _kept(self, descriptor: int) -> bytes:
        return bytes(self.parts.get(descriptor, b""))
