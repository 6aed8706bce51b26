"""Every call is priced and counted, however it ends."""

import asyncio
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import MalformedAnswer, RateLimited
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, OutputSchema, Usage
from AgentOperatingSystem.ml.scripted import Answer, Late, ScriptedModel
from AgentOperatingSystem.ml.wrappers.metered import CallReport, Metered, count
from AgentOperatingSystem.observability import metrics

pytestmark = pytest.mark.virtual_time
QUESTION = ModelRequest.ask("Hello!")
USED = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
PRICES = '{"scripted": {"read_on": "2026-11-20", "per_million_tokens": {"script": {"input": "1", "output": "2"}}}}'


@pytest.fixture
def prices(tmp_path: Path) -> PriceList:
    (tmp_path / "prices.json").write_text(PRICES)
    return PriceList(tmp_path / "prices.json")


def metered(prices: PriceList, *answers: Answer) -> tuple[Metered, list[CallReport]]:
    reports: list[CallReport] = []
    return Metered(ScriptedModel(answers), prices, reports.append), reports


async def test_the_answer_has_its_cost(prices: PriceList) -> None:
    model, reports = metered(prices, Late(2, ModelResponse(text="x", usage=USED)))
    response = await model.complete(QUESTION)
    assert response.cost is not None
    assert (response.cost.amount, response.cost.priced_on) == (Decimal(3), "2026-11-20")
    assert reports == [CallReport(model="scripted/script", outcome="ok", seconds=2, usage=USED, cost=response.cost)]


async def test_where_the_cost_is_unknown_the_answer_says_why(prices: PriceList) -> None:
    model, _ = metered(prices, "x")
    response = await model.complete(QUESTION)
    assert response.cost is None
    assert "did not say how many tokens" in response.cost_note


async def test_a_stream_is_counted_once(prices: PriceList) -> None:
    model, reports = metered(prices, ModelResponse(text="one two", usage=USED), ModelResponse(text="x", usage=USED))
    last = [delta async for delta in model.stream(QUESTION)][-1]
    assert last.response is not None
    assert last.response.cost is not None
    async with aclosing(model.stream(QUESTION)) as deltas:
        async for delta in deltas:
            if delta.response is not None:
                break  # leaving with the answer in hand is no abortion
    assert [report.outcome for report in reports] == ["ok", "ok"]


async def test_failures_are_counted_by_their_code(prices: PriceList) -> None:
    model, reports = metered(prices, RateLimited("slow"), RateLimited("slow"))
    with pytest.raises(RateLimited):
        await model.complete(QUESTION)
    with pytest.raises(RateLimited):
        await anext(model.stream(QUESTION))
    assert [(report.outcome, report.usage, report.cost) for report in reports] == [("rate-limited", Usage(), None)] * 2


async def test_an_answer_that_was_no_good_has_cost_as_much(prices: PriceList) -> None:
    model, reports = metered(prices, ModelResponse(text="high", usage=USED))
    with pytest.raises(MalformedAnswer):
        await model.complete(ModelRequest.ask("?", json_schema=OutputSchema(schema={"type": "object"})))
    assert reports[0].outcome == "malformed-answer"
    assert reports[0].cost is not None
    assert reports[0].cost.amount == 3


async def test_a_call_that_was_left_is_counted(prices: PriceList) -> None:
    model, reports = metered(prices, Late(3600, "late"))
    call = asyncio.create_task(model.complete(QUESTION))
    await asyncio.sleep(5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert [(report.outcome, report.seconds) for report in reports] == [("aborted", 5)]


def test_metrics(prices: PriceList) -> None:
    cost, _ = prices.cost("scripted", ("script",), USED)
    count(CallReport(model="scripted/counted", outcome="ok", seconds=0.5, usage=USED, cost=cost))
    count(CallReport(model="scripted/counted", outcome="rate-limited", seconds=0.1, usage=Usage(), cost=None))
    assert metrics.value("model.calls", model="scripted/counted", outcome="ok") == 1
    assert metrics.value("model.tokens", model="scripted/counted", kind="output") == 1_000_000
    assert metrics.value("model.cost", model="scripted/counted", currency="USD") == 3
