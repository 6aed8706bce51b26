"""Many ask the same at the same time: one call."""

import asyncio
from contextlib import aclosing
from decimal import Decimal

import pytest

from AgentOperatingSystem.errors import RateLimited
from AgentOperatingSystem.ml.records import Cost, ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import Answer, Late, Pieces, ScriptedModel
from AgentOperatingSystem.ml.wrappers.coalesce import Coalescing

pytestmark = pytest.mark.virtual_time
QUESTION = ModelRequest.ask("Hello!")


def coalescing(*answers: Answer) -> tuple[Coalescing, ScriptedModel]:
    inner = ScriptedModel(answers)
    return Coalescing(inner), inner


async def test_one_call_answers_all() -> None:
    paid = ModelResponse(text="one", usage=Usage(input_tokens=5), cost=Cost(Decimal("0.1")))
    model, inner = coalescing(Late(1, paid), "two")
    answers = await asyncio.gather(*(model.complete(QUESTION) for _ in range(50)))
    assert {answer.text for answer in answers} == {"one"}
    assert len(inner.requests) == 1
    assert sum(answer.usage.input_tokens or 0 for answer in answers) == 5, "counted once"
    assert sum(answer.cost.amount for answer in answers if answer.cost) == Decimal("0.1")
    assert [answer.cache_hit for answer in answers].count(False) == 1
    assert (await model.complete(QUESTION)).text == "two", "afterwards it is asked again"


async def test_other_questions_and_bypasses_have_their_own() -> None:
    model, inner = coalescing(Late(1, "one"), Late(1, "two"), Late(1, "three"))
    requests = (QUESTION, ModelRequest.ask("Hello?"), ModelRequest.ask("Hello!", cache="bypass"))
    answers = await asyncio.gather(*(model.complete(request) for request in requests))
    assert sorted(answer.text for answer in answers) == ["one", "three", "two"]
    assert len(inner.requests) == 3


async def test_an_error_is_everybodys() -> None:
    model, inner = coalescing(RateLimited("slow", 3.0), "fine")
    found = await asyncio.gather(*(model.complete(QUESTION) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(error, RateLimited) for error in found)
    assert len(inner.requests) == 1
    assert (await model.complete(QUESTION)).text == "fine"


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    model, inner = coalescing(Late(10, "one"))
    leaving, staying = (asyncio.create_task(model.complete(QUESTION)) for _ in range(2))
    await asyncio.sleep(1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await staying).text == "one"
    assert len(inner.requests) == 1


async def test_when_the_last_one_leaves_the_call_is_aborted() -> None:
    aborted = []

    async def author(request: ModelRequest) -> Answer:
        try:
            await asyncio.sleep(3600)
        finally:
            aborted.append(asyncio.get_running_loop().time())
        return "late"

    model = Coalescing(ScriptedModel(author))
    waiting = [asyncio.create_task(model.complete(QUESTION)) for _ in range(3)]
    for task in waiting:
        await asyncio.sleep(1)
        assert aborted == []
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert aborted == [3]


async def test_a_stream_is_shared_from_its_beginning() -> None:
    model, inner = coalescing(Pieces(texts=("a", "b", "c")))
    async with aclosing(model.stream(QUESTION)) as early:
        assert (await anext(early)).text == "a"
        late = [delta async for delta in model.stream(QUESTION)]
        rest = [delta async for delta in early]
    assert [delta.text for delta in late] == ["a", "b", "c", ""]
    assert [delta.text for delta in rest] == ["b", "c", ""]
    assert rest[-1].response is not None
    assert late[-1].response is not None
    assert (rest[-1].response.cache_hit, late[-1].response.cache_hit) == (False, True)
    assert len(inner.requests) == 1
