"""The estimate, by hand; and that an event takes the operations which it is priced with."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.cli.app import run
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.azure_prices import prices
from AgentOperatingSystem.proof.cost import DOOR_READS, Load, document, estimates, per_event
from tests.azure_service import Service, service
from tests.emulator import fresh_prefix
from tests.systems import System, World

_replace = msgspec.structs.replace


def costs(load: Load, way: str = "alone") -> dict[str, Any]:
    lines = document(load)["estimates"][way]["lines"]
    return {line["what"]: line["cost"] for line in lines}


def test_a_million_events_of_a_thousand_agents_by_hand() -> None:
    # Requests: 1,000,000 x (1 transaction + 1 read of a sleeping agent + 2 reads at the door) + 1,000 listings
    # = 4,001,000, at 0.036 per million = 0.144036. Broker: 4,000,000 of 13,000,000 free. Executions: 2,000,000 less
    # 250,000 free, at 0.40 = 0.70. Memory, alone: 2 periods of 1 s x 2 GB x 1,000,000 = 4,000,000 GB-s less 100,000
    # free, at 0.000026 = 101.40. Storage: 1,000 x 10 kB + 1,000,000 x 2 kB = 2.01 GB, at 0.045 = 0.09045.
    load = Load(events=1_000_000, agents=1_000)
    assert costs(load) == {
        "table requests": 0.144,
        "broker operations": 0.0,
        "broker, base charge": 10.0,
        "function executions": 0.7,
        "function memory": 101.4,
        "table storage": pytest.approx(0.0904, abs=0.0001),
    }
    shown = document(load)["estimates"]
    assert shown["alone"]["total"] == pytest.approx(112.3345, abs=0.0001)
    # At list prices: 0.144036 + 4 x 0.80 + 2 x 0.40 + 4,000,000 x 0.000026 + 0.09045
    assert shown["alone"]["per_million_events"] == pytest.approx(108.2345, abs=0.0001)
    # Together: (0.05 + 0.05) s / 16 x 2 GB = 0.0125 GB-s each: all of it within the free 100,000
    assert costs(load, "together")["function memory"] == 0.0


def test_steps_are_claimed_appended_and_waited_for_by_hand() -> None:
    load = Load(events=1_000_000, agents=0, steps=3, step_seconds=2)
    assert per_event(load)["table transactions"] == 5  # a claim, three appends, the end
    # A door of 1 s, and 6.05 s rounded up to 6.1 s: 7.1 s x 2 GB = 14.2 GB-s each
    assert costs(load)["function memory"] == pytest.approx((14_200_000 - 100_000) * 0.000026)
    # (0.05 + 6.05) / 16 x 2 GB = 0.7625 GB-s each
    assert costs(load, "together")["function memory"] == pytest.approx((762_500 - 100_000) * 0.000026)
    # Each event's row and three steps, 2 kB each: 8 GB
    assert costs(load)["table storage"] == pytest.approx(8 * 0.045)
    assert costs(load)["table requests"] == pytest.approx(8 * 0.036)


def test_the_broker_costs_beyond_what_is_free_by_hand() -> None:
    assert costs(Load(events=10_000_000, agents=0))["broker operations"] == pytest.approx((40 - 13) * 0.80)


def test_beside_it_stands_what_is_always_on() -> None:
    found = document(Load(events=1_000_000, agents=1_000))
    always, database = found["beside"]
    assert (always["low"], always["high"]) == (125, 250)  # specification row 378
    # 10 + 0.70 of broker and functions together, 10 + 0.70 + 101.40 alone; and 50 to 100 for the database
    assert (database["low"], database["high"]) == (60.7, 212.1)
    assert all(each["source"] for each in found["always_on"])


def test_an_unknown_price_is_said() -> None:
    known = _replace(prices(), per_gigabyte_second={})
    shown = document(Load(events=1_000, agents=1), known)["estimates"]["alone"]
    assert shown["unknown"] == ["function memory"]
    assert [line["cost"] for line in shown["lines"] if line["what"] == "function memory"] == [None]
    assert not estimates(Load(events=1, agents=1), known)[0].is_complete


def test_no_events_cost_the_base_charge_and_what_is_kept() -> None:
    found = document(Load(events=0, agents=1_000_000))["estimates"]["alone"]
    # A million states of 10 kB: 10 GB at 0.045; a million listings, once: 0.036; and 10.00 a month
    assert (found["total"], found["per_million_events"]) == (pytest.approx(10.486), None)


@pytest.mark.parametrize("wrong", [{"events": -1}, {"steps": float("nan")}, {"together": 0}, {"step_seconds": -0.1}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        document(_replace(Load(events=1, agents=1), **wrong))


def test_the_command_shows_it_and_says_whose_prices_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["cost", "estimate", "--events", "1000000", "--agents", "1000"]
    assert run([*typed, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(document(Load(events=10**6, agents=1000))))
    assert run(typed) == 0
    shown = capsys.readouterr().out
    for words in ("112.33", "125.00 to 250.00", "list prices in USD of 2026-11-21, East US", "not counted: the models"):
        assert words in shown
    assert run(["cost", "estimate", "--events", "-1", "--agents", "1"]) == 2


# --- what is counted -------------------------------------------------------------------------------------------


class Steady(BaseAgent):
    """Makes as many steps as it is told to."""

    async def on_event(self, event: Event, context: Context) -> Any:
        for number in range(event.data):
            await context.step(f"s{number}", _nothing)


async def _nothing() -> None:
    return None


@pytest.fixture
async def azure() -> AsyncIterator[Service]:
    async with service(fresh_prefix()) as made:
        yield made


async def host(azure: Service) -> System:
    made = System(Steady, world=World(store=azure.store))
    await made.subscriptions.refresh(made.parts, "default")
    return made


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_an_event_takes_what_it_is_priced_with(azure: Service, steps: int) -> None:
    first = await host(azure)
    first.pump.start()
    await first.handle("steady", "1", data=0)  # the agent is there, and listed
    await first.pump.drain(1.0)
    other = await host(azure)
    azure.wire.take()
    await other.send("steady", "2", data=steps)
    assert azure.wire.take() == {"read": DOOR_READS}
    third = await host(azure)
    third.pump.start()
    azure.wire.take()
    await third.handle("steady", "3", data=steps)
    handled = azure.wire.take()
    await third.pump.drain(1.0)
    priced = per_event(Load(events=1, agents=1, steps=steps))
    assert handled["transaction"] == priced["table transactions"]
    assert handled["read"] == priced["table reads"] - DOOR_READS
