"""What a system is asked and what it answers, in words that load nothing; `client` speaks them over HTTP."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

ANSWER_SECONDS = 30.0
"""How long an answer may take, where nothing else is said."""

Query = Mapping[str, str | int | float | bool | None]
"""What stands behind the question mark; what is None is left out."""


class Answer(NamedTuple):
    """What came back: the status and the JSON document."""

    status: int
    document: Any


class StreamEvent(NamedTuple):
    """One server-sent event; `data` is its JSON document, None where there is only an id: that of where it begins."""

    id: str
    name: str
    data: Any


class Connection(Protocol):
    """A way to one system. Methods raise `NotReachable` where no answer comes, `Problem` where it is a refusal."""

    def request(
        self, method: str, path: str, query: Query, body: Any = None, timeout_seconds: float = ANSWER_SECONDS
    ) -> Answer:
        """Sends one request and reads its answer; `body` is a JSON value, or bytes that are JSON already.

        Raises `InvalidInput` where the value is none.
        """
        ...

    def stream(
        self, path: str, query: Query, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[StreamEvent]:
        """Server-sent events as they come, until the server ends the stream; what answers `body` where there is one."""
        ...

    def close(self) -> None:
        """Lets go of whatever it holds."""
        ...
