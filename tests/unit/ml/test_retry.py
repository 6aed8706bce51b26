"""Trying again within the turn, in virtual time."""

import asyncio
from contextlib import aclosing

import pytest

from AgentOperatingSystem.errors import (
    BadModelRequest,
    MalformedAnswer,
    ModelError,
    ModelUnauthorized,
    ModelUnavailable,
    RateLimited,
)
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, Late, Pieces, ScriptedModel
from AgentOperatingSystem.ml.wrappers.retry import Retrying
from tests.clocks import CLOCK
from tests.unit.ml.listening import heard

pytestmark = pytest.mark.virtual_time
QUESTION = ModelRequest.ask("Hello!")


def retrying(*answers: Answer, attempts_max: int = 3) -> tuple[Retrying, ScriptedModel]:
    inner = ScriptedModel(answers)
    return Retrying(inner, clock=CLOCK, attempts_max=attempts_max, wait_seconds_max=30, jitter=lambda: 1.0), inner


@pytest.mark.parametrize("error", [RateLimited("slow"), ModelUnavailable("down")])
async def test_a_passing_fault_is_tried_again(error: ModelError) -> None:
    model, inner = retrying(error, error, "there")
    assert (await model.complete(QUESTION)).text == "there"
    assert len(inner.requests) == 3
    assert asyncio.get_running_loop().time() == 1 + 2, "exponential"


async def test_a_time_out_is_one() -> None:
    model, _ = retrying(Late(100, "late"), "there")
    assert (await model.complete(ModelRequest.ask("Hello!", timeout_seconds=5))).text == "there"
    assert asyncio.get_running_loop().time() == 5 + 1


async def test_the_provider_is_left_alone_for_as_long_as_it_asks() -> None:
    model, _ = retrying(RateLimited("slow", 20.0), "there")
    assert (await model.complete(QUESTION)).text == "there"
    assert asyncio.get_running_loop().time() == 20


async def test_a_long_rest_is_the_kernels_business() -> None:
    model, inner = retrying(RateLimited("slow", 31.0), "there")
    with pytest.raises(RateLimited, match="slow") as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds == 31
    assert len(inner.requests) == 1
    assert asyncio.get_running_loop().time() == 0


async def test_after_the_last_attempt_the_error_passes() -> None:
    model, inner = retrying(*(ModelUnavailable("down") for _ in range(5)))
    with pytest.raises(ModelUnavailable, match="down"):
        await model.complete(QUESTION)
    assert len(inner.requests) == 3


@pytest.mark.parametrize("error", [BadModelRequest("no"), ModelUnauthorized("key"), MalformedAnswer("odd")])
async def test_what_will_not_pass_is_not_tried_again(error: ModelError) -> None:
    model, inner = retrying(error, "there")
    with pytest.raises(type(error)):
        await model.complete(QUESTION)
    assert len(inner.requests) == 1


async def test_a_stream_is_begun_again_while_nobody_has_heard_a_word() -> None:
    model, inner = retrying(RateLimited("slow"), "there it is")
    texts = [delta.text async for delta in model.stream(QUESTION)]
    assert "".join(texts) == "there it is"
    assert len(inner.requests) == 2


async def test_a_stream_that_was_heard_is_never_begun_again() -> None:
    model, inner = retrying(Pieces(texts=("Hel",), cut=True), "Hello")
    texts, error = await heard(model.stream(QUESTION))
    assert texts == ["Hel"]
    assert isinstance(error, ModelUnavailable)
    assert len(inner.requests) == 1


async def test_leaving_the_stream_closes_it() -> None:
    model, _ = retrying(Pieces(texts=("a", "b", "c")))
    async with aclosing(model.stream(QUESTION)) as deltas:
        assert (await anext(deltas)).text == "a"
    with pytest.raises(StopAsyncIteration):
        await anext(deltas)
