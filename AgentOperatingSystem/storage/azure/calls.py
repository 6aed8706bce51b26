"""The one border to the Azure SDKs' errors: what a call answered, in our words, and whether to ask again.

Everything in `table`, `blobs` and `overflow` that leaves the process goes through `asked`; what may simply be
repeated goes through `Calls.repeated`. The SDKs' own retries are off: they know neither our clock nor which answer to a
commit is doubtful. Sources: Microsoft Learn, "Table service error codes", "Blob service error codes".
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from random import random
from typing import Final, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config.azure_roles import missing_role
from AgentOperatingSystem.errors import StoreError, StoreUnavailable
from AgentOperatingSystem.reliability.backoff import backoff_seconds, retry

T = TypeVar("T")
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_CLOSED: Final = frozenset({401, 403})
_ABSENT: Final = frozenset(
    {"TableNotFound", "ContainerNotFound", "ContainerBeingDeleted", "TableBeingDeleted", "QueueNotFound"}
)


class Busy(StoreUnavailable):
    """The service was throttling, timed out or broke off: the request may or may not have been carried out."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Closed(StoreUnavailable):
    """The service does not let this host in."""


class Missing(StoreUnavailable):
    """What the request was to happen in is not there."""


class Rejected(StoreError):
    """The service has read the request and refused it: nothing was carried out."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.http_status = status


@dataclass(frozen=True, slots=True)
class Calls:
    """How often and how patiently a call is repeated."""

    clock: Clock
    attempts_max: int = 6
    base_seconds: float = 0.2
    wait_seconds_max: float = 20.0
    jitter: Callable[[], float] = random
    renew: Callable[[], Awaitable[bool]] | None = None
    """Where a call was refused: whether the clients have another key by now."""

    async def repeated(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to a call that may be carried out twice. Raises `Busy` after the last attempt, `Rejected`, and
        `Closed` where the host is not let in, also not with the key that `renew` has found.
        """
        try:
            return await self._repeated(what, call)
        except Closed:
            if self.renew is None or not await self.renew():
                raise
        return await self._repeated(what, call)

    async def _repeated(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        return await retry(
            lambda: asked(what, call),
            on=Busy,
            attempts_max=self.attempts_max,
            base_seconds=self.base_seconds,
            max_seconds=self.wait_seconds_max,
            clock=self.clock,
            jitter=self.jitter,
        )

    async def wait(self, attempt: int, failure: Busy) -> None:
        """Before the attempt after this one, for callers that look around in between."""
        wait = backoff_seconds(attempt, self.base_seconds, self.wait_seconds_max, self.jitter())
        await self.clock.sleep(max(wait, failure.retry_after_seconds))


async def asked(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """The answer to one call. Raises `Busy`, `Rejected`, `StoreUnavailable`, and nothing of the SDK's."""
    try:
        return await call()
    except ClientAuthenticationError as error:
        raise _closed(what, _line(error), error) from error
    except HttpResponseError as error:
        raise _answered(what, error) from error
    except (AzureError, HTTPException) as error:  # not sent, cut off, or an answer that is none
        raise Busy(f"{what}: {_line(error)}") from error


def judged(what: str, status: int, code: str, text: str, asked_seconds: float = 0.0) -> StoreError:
    """What an answer that is no success means: `Busy`, `Rejected` or `StoreUnavailable`."""
    if status in _CLOSED:
        return _closed(what, text)
    if status in _BUSY or status < 400:  # an error below 400 is an answer that could not be read to its end
        return Busy(f"{what}: HTTP {status}: {text}", asked_seconds)
    if any(absent in f"{code} {text}" for absent in _ABSENT):
        return Missing(f"{what}: the table, queue or container is not there: {text}")
    return Rejected(f"{what}: HTTP {status}: {text}", status)


def asked_seconds(headers: Mapping[str, str]) -> float:
    """`Retry-After` in seconds; a date is left to the back-off."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0


def _answered(what: str, error: HttpResponseError) -> StoreError:
    if error.status_code in _CLOSED:
        return _closed(what, _line(error), error)
    code = str(getattr(error.error, "code", "") or getattr(error, "error_code", ""))
    wait = asked_seconds(getattr(error.response, "headers", {}))
    return judged(what, error.status_code or 0, f"{code} {error}", _line(error), wait)


def _closed(what: str, text: str, error: AzureError | None = None) -> Closed:
    url = str(getattr(getattr(getattr(error, "response", None), "request", None), "url", ""))
    service = next((name for name in ("table", "blob", "queue") if f".{name}." in url), "storage")
    return Closed(
        f"{what}: the storage account refuses this host: {text}; if it has a key, that is out of date, else"
        f" {missing_role(service, url)}"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
