"""The HTTP client behind every command: one request, one answer, and each way to fail is one line.

Used by `system`, which says where to and with which token; the same client runs over a socket or, through another
transport, inside of this process.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from AgentOperatingSystem.cli.answers import ANSWER_SECONDS, Answer, Query, StreamEvent
from AgentOperatingSystem.cli.exits import NobodyListens, NotReachable, Problem
from AgentOperatingSystem.errors import InvalidInput

CONNECT_SECONDS = 5.0
_STREAM = httpx2.Timeout(CONNECT_SECONDS, read=60.0)
"""A stream says something every 15 s; one that is silent for a minute is dead."""


class Client:
    """A `Connection` over HTTP, or over another transport that takes the same requests."""

    def __init__(self, url: str, token: str | None, transport: httpx2.BaseTransport | None = None) -> None:
        self.url = url
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            transport=transport,
            # Certificates take 0.1 s to load, and are nothing to a plain connection.
            verify=url.startswith("https:"),
            trust_env=url.startswith("https:"),
        )

    def request(
        self, method: str, path: str, query: Query, body: Any = None, timeout_seconds: float = ANSWER_SECONDS
    ) -> Answer:
        content = _encoded(body) if body is not None else None
        with self._translated(timeout_seconds):
            response = self._http.request(
                method,
                path,
                params=_given(query),
                content=content,
                headers={"Content-Type": "application/json"} if content is not None else {},
                timeout=httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            )
        return Answer(response.status_code, self._document(response))

    def stream(
        self, path: str, query: Query, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[StreamEvent]:
        sent: dict[str, Any] = {"headers": {"Accept": "text/event-stream", **(headers or {})}}
        if body is not None:
            sent["content"] = _encoded(body)
            sent["headers"]["Content-Type"] = "application/json"
        method = "GET" if body is None else "POST"
        with (
            self._translated(_STREAM.read or 0.0),
            self._http.stream(method, path, params=_given(query), timeout=_STREAM, **sent) as response,
        ):
            if response.status_code != 200:
                response.read()
                self._document(response)
            for event in httpx2.EventSource(response, max_event_size=None):
                yield StreamEvent(event.id, event.event, event.json() if event.data else None)

    def close(self) -> None:
        self._http.close()

    def _document(self, response: httpx2.Response) -> Any:
        if response.is_success:
            try:
                return response.json()
            except ValueError:
                raise NotReachable(f"{self.url} answered with something that is not JSON; {_NOT_OURS}") from None
        raise self._problem(response)

    def _problem(self, response: httpx2.Response) -> Exception:
        try:
            problem = response.json()
            return Problem(str(problem["detail"]), str(problem["code"]), response.status_code)
        except (ValueError, KeyError, TypeError):
            return NotReachable(f"{self.url} answered {response.status_code} in words that are not ours; {_NOT_OURS}")

    @contextmanager
    def _translated(self, timeout_seconds: float) -> Iterator[None]:
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise NobodyListens(f"no system answers at {self.url} ({_reason(error)})") from error
        except httpx2.TimeoutException as error:
            raise NotReachable(f"{self.url} did not answer within {timeout_seconds:g} s") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise NotReachable(f"{self.url} broke off: {_reason(error)}") from error


_NOT_OURS = "is another program listening there? `aos doctor` tells"


def _encoded(body: Any) -> bytes:
    try:
        return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"what is to be sent is no JSON that can travel: {error}") from None


def _given(query: Query) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in query.items() if value is not None}


def _reason(error: Exception) -> str:
    text = str(error)
    return text[text.find("]") + 1 :].strip() or type(error).__name__
