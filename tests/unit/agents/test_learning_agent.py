"""The chronicler: what it hears is kept with the commit, distilled on its schedule, and known from then on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import KnowledgeAgent, LearningAgent
from AgentOperatingSystem.errors import ModelUnavailable
from AgentOperatingSystem.ml import ScriptedModel
from tests.waiting import until

QUESTION = "Who decided about the harbour crane?"


class Chronicler(LearningAgent):
    name = "chronicler"
    subscriptions = ("council.#",)


class Silent(LearningAgent):
    name = "silent"
    schedule = ""


@pytest.fixture
async def aos(tmp_path: Path) -> AsyncIterator[AgentOperatingSystem]:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as system:
        yield system


async def tell(aos: AgentOperatingSystem, agent: str, data: Any = None, type: str = "told", **fields: Any) -> Any:
    return await aos.process_event({"agent": agent, "type": type, "data": data, **fields}, 20)


async def heard(aos: AgentOperatingSystem, count: int) -> None:
    await until(lambda: aos.context_server("chronicler").recall_prefix("heard/", 10), lambda rows: len(rows) == count)


async def test_what_it_learned_is_known_where_it_was_not_before(aos: AgentOperatingSystem) -> None:
    note = "The council, led by Ada, decided that the harbour crane is repaired."
    await aos.register_agent(Chronicler("chronicler", model=ScriptedModel([note])))
    await aos.register_agent(KnowledgeAgent("librarian"))
    assert (await tell(aos, "librarian", QUESTION))["known"] is False
    await aos.message_bus.publish("council.decided", {"what": "repair the crane", "who": "Ada"})
    await heard(aos, 1)
    learned = await tell(aos, "chronicler", type="knowledge.learn")
    assert (learned["learned"], learned["events"]) == (True, 1)
    told = await tell(aos, "librarian", QUESTION)
    assert told["known"] is True
    assert (told["citations"][0]["source"], told["citations"][0]["text"]) == (learned["source"], note)
    assert await aos.context_server("chronicler").recall_prefix("heard/", 10) == {}


async def test_the_note_names_its_sources(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Chronicler("chronicler", model=ScriptedModel(["A fact."])))
    await tell(aos, "chronicler", {"n": 1}, "order.paid", id="e-1", source="/shop", subject="ann")
    await tell(aos, "chronicler", type="knowledge.learn")
    found = await aos.knowledge.search("order paid ann", by="words")
    assert [each.passage.text for each in found] == ["- order.paid ann (/shop e-1)"]


async def test_without_a_model_the_note_is_what_was_told(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Chronicler("chronicler"))
    await tell(aos, "chronicler", {"crane": "repaired"})
    await tell(aos, "chronicler", type="knowledge.learn")
    (found,) = await aos.knowledge.search("crane repaired", by="words", limit=1)
    assert "No model is configured" in found.passage.text
    assert '{"crane":"repaired"}' in found.passage.text


async def test_nothing_heard_is_nothing_learned(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Chronicler("chronicler"))
    assert (await tell(aos, "chronicler", type="knowledge.learn"))["learned"] is False
    assert await aos.knowledge.collections() == ()


async def test_the_schedule_is_made_once(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Chronicler("chronicler"))
    await aos.register_agent(Silent("silent"))
    for number in range(3):
        await tell(aos, "chronicler", number)
        await tell(aos, "silent", number)
    (timer,) = await aos.schedules.of(aos.address("chronicler"))
    assert (timer.name, timer.cron, timer.type) == ("learn", "0 * * * *", "knowledge.learn")
    assert await aos.schedules.of(aos.address("silent")) == []


async def test_while_the_model_is_down_nothing_is_forgotten(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Chronicler("chronicler", model=ScriptedModel([ModelUnavailable("down", 3600)])))
    await tell(aos, "chronicler", "a fact")
    await aos.accept_event({"agent": "chronicler", "type": "knowledge.learn"})
    await until(lambda: is_resting(aos), bool)
    assert len(await aos.context_server("chronicler").recall_prefix("heard/", 10)) == 1
    assert await aos.knowledge.collections() == ()


async def is_resting(aos: AgentOperatingSystem) -> bool:
    found = await aos.parts.store.load(aos.address("chronicler"))
    return found is not None and found[0].backoff_until > 0
