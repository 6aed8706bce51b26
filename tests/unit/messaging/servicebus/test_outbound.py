"""What is sent at the same time leaves together, in order, and what is refused is refused alone."""

import asyncio
from collections.abc import Sequence

import pytest

from AgentOperatingSystem.errors import StoreUnavailable, TooLarge
from AgentOperatingSystem.messaging.servicebus.outbound import TOGETHER_MAX, Outbound
from AgentOperatingSystem.messaging.servicebus.records import Outgoing


class Broker:
    """Takes batches; refuses what is called `large`, and everything while it is down."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.is_down = False

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise StoreUnavailable("down")
        names = [each.message_id for each in outgoing]
        if "large" in names:
            raise TooLarge("too large")
        self.batches.append(names)


def named(*names: str) -> list[Outgoing]:
    return [Outgoing(body=b"", message_id=name) for name in names]


async def test_callers_at_the_same_time_share_a_batch_in_the_order_of_their_calls() -> None:
    broker = Broker()
    out = Outbound(broker.send)
    await asyncio.gather(*(out.send(named(f"{number}a", f"{number}b")) for number in range(3)))
    assert broker.batches == [["0a", "0b", "1a", "1b", "2a", "2b"]]


async def test_a_batch_has_its_limit_and_one_call_is_never_parted() -> None:
    broker = Broker()
    out = Outbound(broker.send)
    many = [f"{number}" for number in range(TOGETHER_MAX - 1)]
    await asyncio.gather(out.send(named(*many)), out.send(named("x", "y")), out.send(named("z")))
    assert [len(batch) for batch in broker.batches] == [TOGETHER_MAX - 1, 3]


async def test_what_is_too_large_is_refused_alone() -> None:
    broker = Broker()
    out = Outbound(broker.send)
    sent = await asyncio.gather(
        out.send(named("1")), out.send(named("large")), out.send(named("2")), return_exceptions=True
    )
    assert [type(each) for each in sent] == [type(None), TooLarge, type(None)]
    assert broker.batches == [["1"], ["2"]]


async def test_an_outage_is_told_to_all_and_is_over_when_it_is_over() -> None:
    broker = Broker()
    out = Outbound(broker.send)
    broker.is_down = True
    sent = await asyncio.gather(out.send(named("1")), out.send(named("2")), return_exceptions=True)
    assert [type(each) for each in sent] == [StoreUnavailable, StoreUnavailable]
    broker.is_down = False
    await out.send(named("3"))
    assert broker.batches == [["3"]]


async def test_a_caller_that_gives_up_holds_up_nobody() -> None:
    broker = Broker()
    out = Outbound(broker.send)
    first = asyncio.create_task(out.send(named("1")))
    await asyncio.sleep(0)
    first.cancel()
    await out.send(named("2"))
    await out.close()
    assert [name for batch in broker.batches for name in batch] == ["1", "2"]
    with pytest.raises(asyncio.CancelledError):
        await first
