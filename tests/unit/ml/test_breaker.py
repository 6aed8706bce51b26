"""Sparing a provider that is down, in virtual time."""

import asyncio

import pytest

from AgentOperatingSystem.errors import BadModelRequest, ModelError, ModelUnavailable, RateLimited
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.ml.wrappers.breaker import Breaking
from tests.clocks import CLOCK

pytestmark = pytest.mark.virtual_time
QUESTION = ModelRequest.ask("Hello!")


def breaking(*answers: Answer) -> tuple[Breaking, ScriptedModel]:
    inner = ScriptedModel(answers)
    return Breaking(inner, clock=CLOCK, failures_max=2, open_seconds=30), inner


async def fails(model: Breaking, times: int, streaming: bool = False) -> ModelUnavailable:
    """The last error of so many."""
    with pytest.raises(ModelUnavailable) as caught:
        await (anext(model.stream(QUESTION)) if streaming else model.complete(QUESTION))
    return caught.value if times == 1 else await fails(model, times - 1, streaming)


@pytest.mark.parametrize("streaming", [False, True])
async def test_after_failures_in_a_row_calls_fail_at_once(streaming: bool) -> None:
    model, inner = breaking(*(ModelUnavailable("down") for _ in range(2)), "there")
    await fails(model, 2, streaming)
    error = await fails(model, 1, streaming)
    assert error.after_seconds == 30
    assert "circuit breaker" in str(error)
    assert len(inner.requests) == 2


async def test_it_probes_and_closes() -> None:
    model, inner = breaking(*(ModelUnavailable("down") for _ in range(2)), "there", "still there")
    await fails(model, 2)
    await asyncio.sleep(30)
    assert (await model.complete(QUESTION)).text == "there"
    assert (await model.complete(QUESTION)).text == "still there"
    assert len(inner.requests) == 4


@pytest.mark.parametrize("error", [RateLimited("slow"), BadModelRequest("no")])
async def test_an_answer_that_says_no_is_an_answer(error: ModelError) -> None:
    model, inner = breaking(*(error for _ in range(5)), "there")
    for _ in range(5):
        with pytest.raises(type(error)):
            await model.complete(QUESTION)
    assert (await model.complete(QUESTION)).text == "there"
    assert len(inner.requests) == 6
