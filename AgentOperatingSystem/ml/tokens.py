"""Bearer tokens that end: kept until shortly before their end, fetched once for all who wait, given up at a 401.

`http.HttpEdge` asks for the headers before each call. Where a token comes from is a `TokenSource`:
`azure.entra_source`, or a test's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from AgentOperatingSystem.clock import Clock

EARLY_SECONDS = 300.0
"""So long before its end a token is renewed, as Azure's own libraries do."""


class Token(NamedTuple):
    """A bearer token."""

    value: str
    expires_at: float
    """UTC seconds since 1970."""


TokenSource: TypeAlias = Callable[[], Awaitable[Token]]


class RenewedToken:
    """A token from `source`, shared by all calls of all endpoints. What the source raises, the calls raise."""

    def __init__(self, source: TokenSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._token: Token | None = None
        self._fetching = asyncio.Lock()

    async def value(self) -> str:
        async with self._fetching:
            if self._token is None or self._clock.now() >= self._token.expires_at - EARLY_SECONDS:
                self._token = await self._source()
            return self._token.value

    def drop(self, value: str) -> None:
        """This token was refused: it is not given again. Of many calls that it was refused to, one fetches another."""
        if self._token is not None and self._token.value == value:
            self._token = None


class TokenHeaders:
    """The headers of each call to one endpoint: the token, and what goes with every call besides."""

    def __init__(self, token: RenewedToken, fixed: Mapping[str, str] | None = None) -> None:
        self._token = token
        self._fixed = dict(fixed or {})

    async def __call__(self) -> Mapping[str, str]:
        return {**self._fixed, "Authorization": f"Bearer {await self._token.value()}"}

    async def renewed(self, sent: Mapping[str, str]) -> bool:
        """A call with these headers was refused: trying once more, with another token, makes sense."""
        self._token.drop(sent.get("Authorization", "").removeprefix("Bearer "))
        return True
