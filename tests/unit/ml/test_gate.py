"""The gate of an endpoint: so many at once, so many per second, first come first served, moved by what it says."""

import asyncio

import pytest

from AgentOperatingSystem.errors import CircuitOpen, ModelUnavailable, RateLimited
from AgentOperatingSystem.ml.gate import Flow, Gate, answered, complained, expected_seconds
from AgentOperatingSystem.ml.records import NOTHING_USED, ModelRequest
from AgentOperatingSystem.ml.scripted import Late, ScriptedModel
from AgentOperatingSystem.ml.wrappers.gated import Gated

WIDE = Flow(at_once=8.0, at_once_max=8)
BUSY = RateLimited("429", 2.0)
pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def call(gate: Gate, seconds: float = 1.0, error: Exception | None = None) -> float:
    """When a call was let in."""
    await gate.enter()
    entered, cuts = now(), gate.flow.cuts
    await asyncio.sleep(seconds)
    gate.leave(seconds, cuts, error)
    return entered


async def test_so_many_at_once_in_the_order_in_which_they_come() -> None:
    gate = Gate("g", at_once_max=2)
    assert await asyncio.gather(*(call(gate) for _ in range(6))) == [0, 0, 1, 1, 2, 2]


async def test_so_many_per_second() -> None:
    gate = Gate("g", at_once_max=100, per_second=2.0)
    assert await asyncio.gather(*(call(gate, 0.1) for _ in range(4))) == [0, 0.5, 1.0, 1.5]


async def test_a_429_holds_everybody() -> None:
    gate = Gate("g", at_once_max=1)
    entered = await asyncio.gather(call(gate, 1.0, BUSY), call(gate), call(gate))
    assert list(entered) == [0, 3, 4]


async def test_who_waited_and_goes_leaves_no_gap() -> None:
    gate = Gate("g", at_once_max=1)
    first, second, third = (asyncio.create_task(call(gate)) for _ in range(3))
    await asyncio.sleep(0.5)
    second.cancel()
    assert [await first, await third] == [0, 1]
    assert gate.waiting == 0


async def test_who_is_cancelled_as_he_is_let_in_takes_no_place() -> None:
    gate = Gate("g", at_once_max=1)
    await gate.enter()
    waiting = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.leave(1.0, 0, None)  # lets the other one in, who does not know it yet
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait_for(gate.enter(), 1)


async def test_who_would_wait_too_long_is_sent_away_with_the_time_it_takes() -> None:
    gate = Gate("g", at_once_max=1, wait_seconds_max=3.5)
    await call(gate)
    waiting = [asyncio.create_task(call(gate)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited, match="3 calls of this host wait already") as caught:
        await gate.enter()
    assert caught.value.after_seconds == 4.0
    assert caught.value.usage == NOTHING_USED
    await asyncio.gather(*waiting)


async def test_nobody_waits_for_longer_than_that_even_if_nothing_was_known() -> None:
    gate = Gate("g", at_once_max=1, wait_seconds_max=3.0)
    slow = asyncio.create_task(call(gate, 100.0))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await call(gate)
    assert now() == 3.0
    await slow


async def test_a_stream_is_inside_until_it_ends() -> None:
    gate = Gate("g", at_once_max=1)
    model = Gated(ScriptedModel([Late(1.0, "a b"), "c"]), gate)
    stream = model.stream(ModelRequest.ask("?"))
    assert (await anext(stream)).text == "a "
    other = asyncio.create_task(model.complete(ModelRequest.ask("?")))
    await asyncio.sleep(5)
    assert not other.done()
    await stream.aclose()
    assert (await other).text == "c"


# --- what the endpoint says: pure ----------------------------------------------------------------------------------


def test_each_round_of_answers_opens_it_by_one_up_to_its_width() -> None:
    flow = Flow(at_once=2.0, at_once_max=3)
    flow = answered(answered(flow, 1.0), 1.0)
    assert 2.8 < flow.at_once <= 3.0
    assert answered(answered(flow, 1.0), 1.0).at_once == 3.0


def test_a_complaint_halves_it_once_for_all_that_were_under_way() -> None:
    flow = complained(WIDE, BUSY, 0, 10.0)
    assert (flow.at_once, flow.held_until) == (4.0, 12.0)
    assert complained(flow, BUSY, 0, 10.5).at_once == 4.0
    assert complained(flow, BUSY, 1, 10.5).at_once == 2.0
    assert complained(Flow(at_once=1.0, at_once_max=8), BUSY, 0, 0.0).at_once == 1.0


def test_behind_an_open_circuit_a_single_call_goes_first() -> None:
    error = ModelUnavailable("open", 30.0)
    error.__cause__ = CircuitOpen("open", 30.0)
    assert complained(WIDE, error, 0, 0.0) == Flow(at_once=1.0, at_once_max=8, cuts=1, held_until=30.0)


@pytest.mark.parametrize(
    ("waiting", "per_second", "seconds"), [(0, None, 0.0), (8, None, 0.25), (15, None, 2.0), (8, 2.0, 4.0)]
)
def test_how_long_it_will_take(waiting: int, per_second: float | None, seconds: float) -> None:
    flow = Flow(at_once=8.0, at_once_max=8, answer_seconds=2.0)
    assert expected_seconds(flow, waiting, per_second, 0.0) == seconds
