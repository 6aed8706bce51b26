"""Delegation by specialization: who is chosen, and that the result comes back to whoever asked."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.delegator import DelegatorAgent, ranked, score
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, passed, result_of, running

virtual_time = pytest.mark.virtual_time
OFFERS = {
    "all_rounder": ("refunds", "invoices", "chat"),
    "cashier": ("refunds",),
    "teller": ("refunds",),
    "writer": ("chat",),
}


# --- the score --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "offered", "expected"),
    [
        (["a"], ["a"], 1.0),
        (["a"], ["a", "b", "c"], 0.5),
        (["a", "b"], ["a"], 2 / 3),
        (["a", "a"], ["a"], 1.0),
        (["a"], ["b"], 0.0),
        ([], ["a"], 0.0),
        (["a"], [], 0.0),
    ],
)
def test_the_score(needs: list[str], offered: list[str], expected: float) -> None:
    assert score(needs, offered) == expected


@pytest.mark.parametrize(
    ("needs", "load", "order"),
    [
        (["refunds"], {}, ["cashier", "teller", "all_rounder"]),
        (["refunds"], {"cashier": 1}, ["teller", "cashier", "all_rounder"]),
        (["refunds"], {"cashier": 9, "teller": 9}, ["cashier", "teller", "all_rounder"]),
        (["refunds", "chat"], {}, ["all_rounder"]),
        (["surgery"], {}, []),
        (["refunds", "surgery"], {}, []),
    ],
)
def test_the_order_is_by_score_then_load_then_name(needs: list[str], load: dict[str, int], order: list[str]) -> None:
    assert [each.name for each in ranked(needs, OFFERS, load)] == order


def test_a_part_of_the_needs_may_do() -> None:
    assert [each.name for each in ranked(["refunds", "surgery"], OFFERS, {}, coverage_min=0.5)] == [
        "cashier",
        "teller",
        "all_rounder",
    ]


# --- delegating -------------------------------------------------------------------------------------------------------


class Desk(DelegatorAgent):
    """Delegates."""

    capabilities = ("refunds",)
    timeout_seconds: ClassVar[float] = 60.0


class Worker(BaseAgent):
    """Takes as many seconds as the task says."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data)
        return f"{self.name} did {event.type}"


class Cashier(Worker):
    """A specialist."""

    capabilities = ("refunds",)


class Teller(Worker):
    """Another one."""

    capabilities = ("refunds",)


class AllRounder(Worker):
    """Can do this and that."""

    capabilities = ("refunds", "chat")


class Customer(BaseAgent):
    """Asks the desk, and keeps what it hears; works as a delegate too."""

    capabilities = ("refunds", "patience")

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "aos.reply":
            self.state[event.correlation] = event.data
            return None
        return await context.request("desk", event.data, type="refund", timeout_seconds=600.0)


async def shop() -> System:
    return await running(Desk, Cashier, Teller, AllRounder, Customer)


def task(seconds: float = 1.0, *needs: str) -> dict[str, Any]:
    return {"needs": list(needs or ("refunds",)), "task": seconds}


@virtual_time
async def test_the_result_comes_back_with_both_correlation_ids() -> None:
    system = await shop()
    asked = result_of(await system.handle("customer", data=task()))
    await passed(2)
    (given,) = [row for row in (await system.rows("desk")).values() if row.event.type == "refund"]
    delegated = result_of(given)
    assert (delegated["delegate"], delegated["score"]) == ("cashier", 1.0)
    assert await system.state("customer") == {
        asked: {"by": "cashier", "correlation": delegated["correlation"], "result": "cashier did refund"}
    }
    assert await system.state("desk") == {"done": {"cashier": 1}}


@virtual_time
async def test_equally_good_ones_are_chosen_by_what_they_have_in_hand() -> None:
    system = await shop()
    given = [result_of(await system.handle("desk", data=task(10.0)))["delegate"] for _ in range(4)]
    assert given == ["cashier", "teller", "cashier", "teller"]
    await passed(100)
    assert result_of(await system.handle("desk", data=task()))["delegate"] == "cashier"


@virtual_time
async def test_what_nobody_can_do_fails_and_says_what_there_is() -> None:
    system = await shop()
    row = await system.handle("desk", data=task(1.0, "surgery"))
    assert row.status is Status.FAILED
    assert row.reason == ("terminal: nobody can do what needs surgery; declared capabilities: chat, patience, refunds")
    wrongs: list[Any] = ["refund", {"needs": "refunds"}, {"needs": []}, {"needs": [1]}]
    for wrong in wrongs:
        assert "a task for a delegator is" in (await system.handle("desk", data=wrong)).reason


@virtual_time
async def test_who_waits_for_the_answer_is_no_delegate() -> None:
    system = await running(Desk, Customer)
    await system.handle("customer", data=task())
    await passed(2)
    (refund,) = (await system.rows("desk")).values()
    assert "nobody can do" in refund.reason
    assert result_of(await system.handle("desk", data=task()))["delegate"] == "customer"


@virtual_time
async def test_a_delegate_without_an_answer_is_reported() -> None:
    system = await shop()
    asked = result_of(await system.handle("customer", data=task(100.0)))
    await passed(70)
    heard = (await system.state("customer"))[asked]
    assert (heard["by"], heard["error"]) == ("cashier", "cashier gave no answer within 60 s")
    await passed(100)
    assert await system.state("desk") == {}, "the late answer is not counted"


@virtual_time
async def test_a_delegation_survives_the_host() -> None:
    system = await shop()
    asked = result_of(await system.handle("customer", data=task(20.0)))
    await passed(5)
    await system.crash()
    again = await running(Desk, Cashier, Teller, AllRounder, Customer, world=system.world)
    await passed(100)
    assert (await again.state("customer"))[asked]["result"] == "cashier did refund"
    assert len(await again.rows("cashier")) == 1
