"""The port of models: one question, one answer, whole or in pieces.

Handlers, teams and the journal speak to it; every provider and every wrapper is one, so that they nest without glue. A
provider ships for tests (`scripted`) and for nobody's key (`offline`). tests/contract/test_model_provider.py is what
all of them promise.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse


class ModelProvider(Protocol):
    """One model of one provider. May be used by any number of tasks at the same time.

    Calls raise `ModelError`s: `RateLimited`, `ModelUnavailable`, `ModelUnauthorized` (none of which consumes an event),
    `MalformedAnswer`, `ContextOverflow`, `ContentFiltered`, `BadModelRequest`, `UnknownModel`, and, before anything is
    sent, `UnsupportedRequest`.
    """

    @property
    def name(self) -> str:
        """`provider/model`, as the request names it."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """The whole answer. Cancelling it aborts the call."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        """The answer in pieces; the last one carries the whole response, the same that `complete` would give.

        Closing the generator aborts the call. A stream that is cut off raises `ModelUnavailable`; it never looks whole.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections; calls under way fail. Closing twice is the same as once."""
        ...
