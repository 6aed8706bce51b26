"""The model of a system without a key: it says that nobody thought, and never makes up a verdict.

`registry` gives it where the setting `model` names none. Same question, same answer, at once and for nothing.
"""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Literal

from AgentOperatingSystem.errors import NoModelConfigured
from AgentOperatingSystem.ml.answers import replayed
from AgentOperatingSystem.ml.records import (
    NOTHING_USED,
    OFFLINE,
    Capabilities,
    Cost,
    ModelDelta,
    ModelRequest,
    ModelResponse,
)
from AgentOperatingSystem.ml.support import check_supported

TEXT = (
    "No model is configured, so nothing was thought here. Set the model (AOS_MODEL), for example to "
    "openai/gpt-4o-mini, and the provider's key; docs/models.md says how."
)
Verdicts = Literal["refuse", "error"]


class OfflineModel:
    """Answers `TEXT` to everything and calls no tool.

    Where a verdict is asked (a JSON schema, or a tool that must be called) the answer is a refusal, whose `value()`
    raises `NoModelConfigured`; with `verdicts="error"` the call itself raises it.
    """

    name = OFFLINE
    capabilities = Capabilities(vision=True, adapters=True)

    def __init__(self, verdicts: Verdicts = "refuse") -> None:
        self._verdicts = verdicts

    async def complete(self, request: ModelRequest) -> ModelResponse:
        check_supported(request, self.name, self.capabilities)
        verdict = request.json_schema is not None or request.tool_choice not in ("auto", "none")
        if verdict and self._verdicts == "error":
            raise NoModelConfigured(TEXT)
        return ModelResponse(
            text=TEXT,
            finish_reason="refusal" if verdict else "stop",
            usage=NOTHING_USED,
            model=OFFLINE,
            provider=OFFLINE,
            cost=Cost(Decimal(0)),
        )

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        for delta in replayed(await self.complete(request)):
            yield delta

    async def close(self) -> None:
        """There is nothing to let go of."""
