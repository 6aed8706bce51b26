"""Recorded events as tests of users' own."""

import json
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.errors import NotFound, UnknownAgent
from AgentOperatingSystem.ml.messages import system
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.ml.wrappers.prompted import Prompted
from AgentOperatingSystem.orchestration.recordings import encode_recording
from AgentOperatingSystem.testing import MemorySystem, replay_fixture, run_virtual


class Thinker(BaseAgent):
    """Asks the model that the system has; in these tests the one that thinks nothing."""

    async def on_event(self, event: Event, context: Context) -> Any:
        answer = await context.think(ModelRequest.ask(event.data, instructions="Be brief."))
        await context.send("other", answer.text)
        self.state["last"] = answer.text
        return answer.text


class Other(BaseAgent):
    async def process(self, event: Event) -> None:
        """Takes it."""


@pytest.fixture
def fixture(tmp_path: Path) -> Path:
    async def made() -> bytes:
        async with MemorySystem(Thinker, Other) as memory:
            await memory.tell("thinker", "What?", id="1")
            return encode_recording(await memory.record("thinker", "1"))

    path = tmp_path / "thinker.json"
    path.write_bytes(run_virtual(made(), 0.01))
    return path


async def test_the_same_code_passes(fixture: Path) -> None:
    replayed = await replay_fixture(fixture, Thinker)
    assert replayed.report() == []


async def test_code_that_asks_otherwise_does_not(fixture: Path) -> None:
    class Changed(Thinker):
        name = "thinker"

        async def on_event(self, event: Event, context: Context) -> Any:
            return (await context.think("something else")).text

    replayed = await replay_fixture(fixture, Changed)
    assert replayed.status == "diverged"
    assert "not recorded: model offline" in replayed.report()[0]


def with_another_answer(fixture: Path) -> None:
    document = json.loads(fixture.read_bytes())
    document["steps"][0]["result"]["text"] = "recorded"
    fixture.write_text(json.dumps(document))


async def test_with_another_model_each_call_is_made_anew(fixture: Path) -> None:
    with_another_answer(fixture)
    replayed = await replay_fixture(fixture, Thinker, model="offline", prompt="Be verbose.")
    assert replayed.model_calls == 1
    assert replayed.result != "recorded"
    assert (await replay_fixture(fixture, Thinker)).result == "recorded"


async def test_a_prompt_replaces_the_systems_message() -> None:
    model = ScriptedModel(["yes", "yes"])
    request = ModelRequest.ask("What?", instructions="Be brief.")
    await Prompted(model, "Be verbose.").complete(request)
    assert [delta async for delta in Prompted(model, "Be verbose.").stream(request)]
    for asked in model.requests:
        assert asked.messages == (system("Be verbose."), *request.messages[1:])


async def test_what_is_missing(fixture: Path) -> None:
    with pytest.raises(NotFound):
        await replay_fixture(fixture.parent / "none.json", Thinker)
    with pytest.raises(UnknownAgent):
        await replay_fixture(fixture, Other)
