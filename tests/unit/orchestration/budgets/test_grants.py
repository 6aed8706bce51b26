"""A limit that many share: a hundred who ask for the last unit at once, and one who asks again after a crash."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.grants import Granted, Ledger, part_of
from AgentOperatingSystem.orchestration.budgets.rules import Bound, Budgets, ledger_of
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.sqlite import store as sqlite_store
from AgentOperatingSystem.storage.sqlite.engine import Engine

CLOCK = SystemClock()
ONE = Amounts(model_calls=1)


def bound(calls: int) -> Bound:
    limits = Limits(model_calls=calls)
    named = {"scope": "tenant", "whose": "default", "period": "2026-01-01"}
    return Bound(account="tenant/2026-01-01", limits=limits, budget=Budget(day=limits), until=0.0, shared=True, **named)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AgentStore]:
    if request.param == "memory":
        yield MemoryAgentStore()
        return
    engine = Engine(tmp_path / "aos.db", sqlite_store.SCHEMA)
    opened = sqlite_store.SqliteAgentStore(engine, None)
    yield opened
    await opened.close()


def ledger(store: AgentStore) -> Ledger:
    """As a host of its own has it: hosts share the store alone."""
    return Ledger(store, MemoryBlobStore(CLOCK), CLOCK.now, Budgets())


async def test_of_a_hundred_who_ask_for_the_last_unit_one_gets_it(store: AgentStore) -> None:
    agents = [AgentId("worker", str(number)) for number in range(100)]
    hosts = [ledger(store) for _ in range(4)]
    asked = (hosts[n % 4].grant(bound(1), agent, 0, ONE) for n, agent in enumerate(agents))
    granted = [amounts for amounts, _ in await asyncio.gather(*asked) if amounts is not None]
    assert granted == [ONE]
    account = await hosts[0].granted(ledger_of("default", "tenant", "default"), "2026-01-01")
    assert account.granted == ONE


async def test_asking_again_after_a_crash_gives_the_same_and_no_more(store: AgentStore) -> None:
    agent = AgentId("worker", "1")
    first, _ = await ledger(store).grant(bound(100), agent, 0, ONE)
    again, _ = await ledger(store).grant(bound(100), agent, 0, ONE)
    assert first == again == Amounts(model_calls=5)
    account = await ledger(store).granted(ledger_of("default", "tenant", "default"), "2026-01-01")
    assert account.granted == Amounts(model_calls=5)


async def test_it_is_said_once_that_the_limit_is_near_and_once_that_it_is_reached(store: AgentStore) -> None:
    said = []
    for number in range(20):
        _, messages = await ledger(store).grant(bound(10), AgentId("worker", str(number)), 0, ONE)
        said += [message.event.type for message in messages if message.event is not None]
    assert said == ["aos.budget.warning", "aos.budget.reached"]


@pytest.mark.parametrize(
    ("gone", "need", "given"),
    [
        (0, 1, 5),
        (0, 30, 30),
        (70, 1, 5),
        (75, 1, 1),
        (99, 1, 1),
        (100, 1, None),
        (98, 3, None),
    ],
)
def test_parts_are_large_while_plenty_is_left(gone: int, need: int, given: int | None) -> None:
    part = part_of(Granted(granted=Amounts(tokens=gone)), Limits(tokens=100), Amounts(tokens=need))
    assert (part.tokens if part is not None else None) == given


def test_money_is_given_in_parts_too() -> None:
    part = part_of(Granted(), Limits(money=Decimal(100)), Amounts(money=Decimal("0.01"), tokens=7))
    assert part == Amounts(money=Decimal(5))
