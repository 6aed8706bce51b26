"""Another prompt: what stands in the system's messages of a request is replaced. For replays of recorded events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from AgentOperatingSystem.ml.messages import system
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.wrappers.around import Around


class Prompted(Around):
    """A model that is given `prompt` in place of every system message."""

    def __init__(self, inner: ModelProvider, prompt: str) -> None:
        super().__init__(inner)
        self._prompt = prompt

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await self.inner.complete(self._asked(request))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        async with aclosing(self.inner.stream(self._asked(request))) as deltas:
            async for delta in deltas:
                yield delta

    def _asked(self, request: ModelRequest) -> ModelRequest:
        said = (message for message in request.messages if message.role != "system")
        return msgspec.structs.replace(request, messages=(system(self._prompt), *said))
