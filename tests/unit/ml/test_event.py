"""An event whose handler needs a model, through the whole kernel: an outage delays it and costs it nothing."""

from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Event
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import EventFailed, ModelError, ModelUnavailable, NoModelConfigured, RateLimited
from AgentOperatingSystem.ml import ModelRequest, ScriptedModel


class Thinker(BaseAgent):
    model: ScriptedModel

    async def on_event(self, event: Event, context: Context) -> Any:
        return (await self.model.complete(ModelRequest.ask(str(event.data)))).text


async def think(folder: Path, *answers: Any) -> Any:
    Thinker.model = ScriptedModel(answers)
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, attempts_max=2)) as aos:
        await aos.register_agent(Thinker)
        return await aos.process_event({"agent": "thinker", "type": "asked", "data": "What now?"}, 20)


@pytest.mark.parametrize("kind", [RateLimited, ModelUnavailable])
async def test_more_outages_than_attempts_and_the_event_is_done(tmp_path: Path, kind: Any) -> None:
    assert await think(tmp_path, *(kind("not now", 0.01) for _ in range(7)), "Rest.") == "Rest."
    assert len(Thinker.model.requests) == 8


async def test_without_a_verdict_the_event_waits_for_a_person(tmp_path: Path) -> None:
    error: ModelError = NoModelConfigured("nobody thought")
    with pytest.raises(EventFailed, match="no-model-configured: nobody thought"):
        await think(tmp_path, error)
