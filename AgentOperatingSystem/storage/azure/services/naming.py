"""What the services share: keys as all of them take them, how a client is opened, and errors in our words. Pure but for
`Opened`.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, Self, TypeVar

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import ConfigurationError, Conflict, InvalidInput
from AgentOperatingSystem.storage.azure.calls import Calls, Missing, Rejected
from AgentOperatingSystem.storage.azure.transport import Transport

ABSENT: Final = ""
"""The ETag of a key that has no value."""
KEY_LENGTH_MAX: Final = 900
"""Of a key as it is written; Cosmos DB takes 1023 bytes, the others a little more."""
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_\-]")
_ESCAPE: Final = re.compile(r"((?:=[0-9A-F]{2})+)")
T = TypeVar("T")


def escaped(key: str) -> str:
    """A key in the alphabet that every service takes; what begins it begins what is written. Raises `InvalidInput`."""
    try:
        text = _PLAIN.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), key)
    except UnicodeEncodeError:
        raise InvalidInput(f"key {key[:80]!r} holds half of a surrogate pair, which is no character") from None
    if len(text) > KEY_LENGTH_MAX:
        raise InvalidInput(f"key {key[:80]!r}… is {len(text)} characters as it is written; {KEY_LENGTH_MAX} fit")
    return text


def key_of(text: str) -> str:
    """The inverse of `escaped`."""
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[0].replace("=", "")).decode(), text)


def checked_key(key: str) -> str:
    """`escaped`, for a key that has to name something."""
    if not key:
        raise InvalidInput("an empty key names nothing")
    return escaped(key)


class Opened:
    """A service that is open until `close`; also usable as `async with`."""

    def __init__(
        self, connection_string: str | None, account_url: str | None, credential: Any, calls: Calls | None
    ) -> None:
        if bool(connection_string) == bool(account_url):
            raise ConfigurationError(f"{type(self).__name__} needs a connection string or an account URL, not both")
        self._text = connection_string or ""
        self._url = account_url or ""
        self._credential = credential
        self._calls = calls or Calls(SystemClock())
        self._stack = AsyncExitStack()

    async def close(self) -> None:
        """Lets go of all connections."""
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.close()

    def _client(self, kind: Any, **options: Any) -> Any:
        """A client of the SDK: by the connection string, or by the host's identity."""
        options |= {"retry_total": 0, "transport": Transport()}
        try:
            if self._text:
                client = kind.from_connection_string(self._text, **options)
            else:
                client = kind(self._url, credential=self._identity(), **options)
        except ValueError as error:
            raise ConfigurationError(f"{type(self).__name__}: {error}") from None
        self._stack.push_async_callback(client.close)
        return client

    def _identity(self) -> Any:
        if self._credential is None:
            from azure.identity.aio import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
            self._stack.push_async_callback(self._credential.close)
        return self._credential

    async def _asked(self, what: str, call: Callable[[], Awaitable[T]], made: Callable[[], Awaitable[Any]]) -> T:
        """The answer to a call; what it is to happen in is made where it is missing."""
        try:
            return await self._calls.repeated(what, call)
        except Missing:
            await self._ensure(what, made)
            return await self._calls.repeated(what, call)

    async def _ensure(self, what: str, made: Callable[[], Awaitable[Any]]) -> None:
        try:
            await self._calls.repeated(what, made)
        except Rejected as refusal:
            if refusal.http_status != 409:
                raise


def conflict(what: str, etag: str) -> Conflict:
    """The answer to a writer who is too late."""
    return Conflict(f"{what} has another ETag than {etag!r}: somebody else has changed it")
