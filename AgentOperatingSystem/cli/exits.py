"""Exit codes: what a script learns without reading a word. docs/cli.md lists them."""

from collections.abc import Iterator
from typing import Final

from AgentOperatingSystem.errors import (
    AOSError,
    ConfigurationError,
    Conflict,
    Duplicate,
    EventFailed,
    InvalidInput,
    NotFound,
    Refused,
    StoreUnavailable,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_FOUND: Final = 4
REFUSED: Final = 5
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""

MEANINGS: Final = {
    OK: "done",
    FAILED: "it failed: the event did not end well, the doctor found a fault, a check was not passed, or a bug",
    USAGE: "usage or bad input: what was typed, sent or configured can never work as it is",
    UNREACHABLE: "not reachable: no system answers, or its store does not",
    NOT_FOUND: "not found: no such agent, event, schedule or file",
    REFUSED: "refused: wrong token, not allowed, not now, or in conflict with what is there",
    INTERRUPTED: "interrupted by Ctrl-C (`up` and `tail` end with 0)",
}


class NotReachable(AOSError):
    """No system answers where one was expected."""

    code, status = "not-reachable", 503


class NobodyListens(NotReachable):
    """Nothing listens at the address: the connection was refused."""


class ReaderLeft(Exception):
    """Whoever read standard output has closed it. No error: the reader has seen enough."""


class NoSuchFile(NotFound):
    """A file or folder that was named is not there."""

    code = "no-such-file"


class Problem(AOSError):
    """What a system answered instead of a result: the problem document of RFC 9457 in one line.

    `kind` is the error class that the system raised, where its code is known here.
    """

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @property
    def kind(self) -> type[AOSError]:
        """The class behind the code; one that fits the status where this version knows no such code."""
        return next((known for known in _errors(AOSError) if known.code == self.code), _by_status(self.status))


_CODES: Final = (
    (NotReachable, UNREACHABLE),
    (StoreUnavailable, UNREACHABLE),
    (NotFound, NOT_FOUND),
    (EventFailed, FAILED),
    ((InvalidInput, ConfigurationError), USAGE),
    ((Refused, Conflict, Duplicate), REFUSED),
)


def exit_code(error: AOSError) -> int:
    """The exit code of a command that ended with `error`."""
    kind = error.kind if isinstance(error, Problem) else type(error)
    return next((code for kinds, code in _CODES if issubclass(kind, kinds)), FAILED)


def _by_status(status: int) -> type[AOSError]:
    if status == 404:
        return NotFound
    if status in (401, 403, 409, 410, 423, 429, 503, 504):
        return Refused
    return InvalidInput if 400 <= status < 500 else AOSError


def _errors(kind: type[AOSError]) -> Iterator[type[AOSError]]:
    for known in kind.__subclasses__():
        if known is not Problem:
            yield known
            yield from _errors(known)
