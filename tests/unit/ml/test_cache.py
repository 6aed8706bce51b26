"""Answers from memory: exact, fresh, bounded, and for nothing."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from AgentOperatingSystem.errors import ModelUnavailable
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.records import NOTHING_USED, Cost, ModelRequest, ModelResponse, OutputSchema, Usage
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.ml.wrappers.cache import Caching
from tests.clocks import CLOCK

pytestmark = pytest.mark.virtual_time
QUESTION = ModelRequest.ask("Hello!")


def caching(*answers: Answer, bytes_max: int = 1 << 20) -> tuple[Caching, ScriptedModel]:
    inner = ScriptedModel(answers)
    return Caching(inner, clock=CLOCK, ttl_seconds=60, bytes_max=bytes_max), inner


async def test_the_same_question_again_is_answered_from_memory() -> None:
    paid = ModelResponse(text="one", usage=Usage(input_tokens=5), cost=Cost(Decimal("0.1"), "EUR"))
    model, inner = caching(paid, "two")
    first, second = await model.complete(QUESTION), await model.complete(QUESTION)
    assert len(inner.requests) == 1
    assert (first.text, first.cache_hit, first.usage.input_tokens) == ("one", False, 5)
    assert (second.text, second.cache_hit, second.usage, second.cost) == (
        "one",
        True,
        NOTHING_USED,
        Cost(Decimal(0), "EUR"),
    )


async def test_another_question_is_asked() -> None:
    model, _ = caching("one", "two")
    await model.complete(QUESTION)
    assert (await model.complete(ModelRequest.ask("Hello?"))).text == "two"


async def test_naming_the_model_makes_no_difference() -> None:
    model, inner = caching("one", "two")
    await model.complete(QUESTION)
    assert (await model.complete(ModelRequest.ask("Hello!", model=inner.name))).text == "one"


async def test_answers_grow_old() -> None:
    model, _ = caching("one", "two")
    await model.complete(QUESTION)
    await asyncio.sleep(59.9)
    assert (await model.complete(QUESTION)).text == "one"
    await asyncio.sleep(0.1)
    assert (await model.complete(QUESTION)).text == "two"


async def test_bypass_and_refresh() -> None:
    model, _ = caching("one", "two", "three", "four")
    assert (await model.complete(QUESTION)).text == "one"
    assert (await model.complete(ModelRequest.ask("Hello!", cache="bypass"))).text == "two"
    assert (await model.complete(QUESTION)).text == "one"
    assert (await model.complete(ModelRequest.ask("Hello!", cache="refresh"))).text == "three"
    assert (await model.complete(QUESTION)).text == "three"


async def test_the_least_recently_used_go_first() -> None:
    size = len(msgspec.json.encode(ModelResponse(text="a" * 100, model="script", provider="scripted")))
    model, _ = caching(*("a" * 100 for _ in range(9)), bytes_max=2 * size)
    a, b, c = (ModelRequest.ask(each) for each in "abc")
    await model.complete(a)
    await model.complete(b)
    await model.complete(a)
    await model.complete(c)  # b has to go
    assert [(await model.complete(each)).cache_hit for each in (a, c, b)] == [True, True, False]


async def test_what_is_larger_than_all_room_is_not_kept() -> None:
    model, inner = caching("a" * 1000, "b", bytes_max=500)
    await model.complete(QUESTION)
    assert (await model.complete(QUESTION)).text == "b"
    assert len(inner.requests) == 2


async def test_errors_refusals_and_cut_answers_are_not_kept() -> None:
    cut = ModelResponse(text="on", finish_reason="length")
    model, _ = caching(ModelUnavailable("down"), cut, "one")
    with pytest.raises(ModelUnavailable):
        await model.complete(QUESTION)
    assert [(await model.complete(QUESTION)).text for _ in range(2)] == ["on", "one"]
    offline = Caching(OfflineModel(), clock=CLOCK, ttl_seconds=60, bytes_max=1 << 20)
    verdict = ModelRequest.ask("?", json_schema=OutputSchema(schema={"type": "object"}))
    assert [(await offline.complete(verdict)).cache_hit for _ in range(2)] == [False, False]


async def test_nobody_changes_what_the_next_one_gets() -> None:
    model, _ = caching(ToolCall("1", "look_up", {"id": 7}))
    (await model.complete(QUESTION)).tool_calls[0].arguments["id"] = 8
    (await model.complete(QUESTION)).tool_calls[0].arguments["id"] = 9
    assert (await model.complete(QUESTION)).tool_calls[0].arguments == {"id": 7}


async def test_streams_are_kept_and_given_as_streams() -> None:
    model, inner = caching("one two")
    hits = []
    for _ in range(2):
        *pieces, last = [delta async for delta in model.stream(QUESTION)]
        assert [piece.text for piece in pieces] == ["one ", "two"]
        hits.append(last.response is not None and last.response.cache_hit)
    assert hits == [False, True]
    assert (await model.complete(QUESTION)).text == "one two"
    assert len(inner.requests) == 1
