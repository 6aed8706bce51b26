"""Bearer tokens that end: kept until shortly before their end, fetched once for all who wait, given up at a 401.

`azure_ml` asks for one before each call. Where it comes from is a `TokenSource`: `azure.entra_source`, or a test's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import ModelUnauthorized

T = TypeVar("T")
EARLY_SECONDS = 300.0
"""So long before its end a token is renewed, as Azure's own libraries do."""


class Token(NamedTuple):
    """A bearer token."""

    value: str
    expires_at: float
    """UTC seconds since 1970."""


TokenSource: TypeAlias = Callable[[], Awaitable[Token]]


class Credentials(Protocol):
    """What a call carries to be let in."""

    @property
    def generation(self) -> int:
        """Which credentials are given now."""
        ...

    async def headers(self) -> Mapping[str, str]: ...

    def refused(self, generation: int) -> bool:
        """A call that began with this generation was refused with 401: whether another try makes sense."""
        ...


class Key:
    """A key, which never ends; no key where it is empty."""

    generation = 0

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    def refused(self, generation: int) -> bool:
        return False


class RenewedToken:
    """A token from `source`, shared by all calls. What the source raises, the calls raise."""

    def __init__(self, source: TokenSource, clock: Clock) -> None:
        self.generation = 0
        self._source = source
        self._clock = clock
        self._token: Token | None = None
        self._fetching = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        async with self._fetching:
            if self._token is None or self._clock.now() >= self._token.expires_at - EARLY_SECONDS:
                self._token = await self._source()
            return {"Authorization": f"Bearer {self._token.value}"}

    def refused(self, generation: int) -> bool:
        """The token is not given again. Of many calls that it was refused to, the first one has it renewed."""
        if generation == self.generation:
            self.generation += 1
            self._token = None
        return True


async def with_fresh(credentials: Credentials, call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, made once more with other credentials where it was refused with 401 and there are others.

    Raises what the call raises.
    """
    generation = credentials.generation
    try:
        return await call()
    except ModelUnauthorized:
        if not credentials.refused(generation):
            raise
    return await call()
