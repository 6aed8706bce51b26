"""Asks once more with fresh credentials where a call was refused with 401: a token can be revoked before its end."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.tokens import Credentials, with_fresh
from AgentOperatingSystem.ml.wrappers.around import Around, begun, going_on


class Renewing(Around):
    """One more try, with other credentials, for each call; the second refusal is raised. A key has no others."""

    def __init__(self, inner: ModelProvider, credentials: Credentials) -> None:
        super().__init__(inner)
        self._credentials = credentials

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await with_fresh(self._credentials, lambda: self.inner.complete(request))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        first, rest = await with_fresh(self._credentials, lambda: begun(self.inner, request))
        async with aclosing(going_on(first, rest)) as deltas:
            async for delta in deltas:
                yield delta
