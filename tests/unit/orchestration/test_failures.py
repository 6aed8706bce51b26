"""What a handler raises, and what becomes of its event, its state, its outputs and its neighbours."""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent, RestartPolicy, on_failure
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.errors import (
    EventFailed,
    HandlerError,
    Quarantine,
    Retryable,
    Terminal,
    Unavailable,
)
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.awake import STOP_AGAIN_SECONDS
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import Control, Status
from tests.clocks import CLOCK
from tests.systems import System, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time
Script = list[Any]


class Scripted(BaseAgent):
    """Does at each try of an event what the event's data says for that try: an error's name, or a result."""

    tries: ClassVar[list[tuple[str, int, float]]] = []
    raises: ClassVar[dict[str, Callable[[], BaseException]]] = {
        "retryable": lambda: Retryable("busy"),
        "later": lambda: Retryable("busy", after_seconds=100),
        "terminal": lambda: Terminal("no use"),
        "quarantine": lambda: Quarantine("odd"),
        "unavailable": lambda: Unavailable("model is down", after_seconds=50),
        "outage": lambda: Unavailable("model is down"),
        "bug": lambda: ZeroDivisionError("bug"),
        "exit": lambda: SystemExit(3),
        "cancelled": asyncio.CancelledError,
        "handler": lambda: HandlerError("mine"),
        "unspeakable": lambda: Unspeakable(),
        "group": lambda: ExceptionGroup("several", [ValueError("a")]),
    }

    async def on_event(self, event: Event, context: Context) -> Any:
        self.tries.append((event.id, context.attempt, CLOCK.now()))
        does = event.data[min(context.attempt, len(event.data)) - 1]
        self.state["touched"] = self.state.get("touched", 0) + 1
        await context.remember("note", event.id)
        await context.send("listener", event.id)
        await context.publish("news", event.id)
        await context.schedule(f"s-{event.id}", after_seconds=1e6)
        if does in self.raises:
            raise self.raises[does]()
        if does == "hang":
            await asyncio.sleep(1e9)
        return does


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Listener(BaseAgent):
    """Keeps what it hears."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append(event.data)


@pytest.fixture(autouse=True)
def no_tries() -> None:
    Scripted.tries.clear()


async def started(**settings: Any) -> System:
    return await running(Scripted, Listener, **settings)


def waits() -> list[float]:
    """The seconds between the tries."""
    times = [at for _, _, at in Scripted.tries]
    return [round(later - earlier, 3) for earlier, later in pairwise(times)]


async def heard(system: System) -> list[Any]:
    state = await system.state("listener")
    return list(state["heard"]) if state else []


# --- trying again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["retryable", "bug", "exit", "cancelled", "handler", "unspeakable", "group"])
async def test_a_failed_try_is_repeated_until_it_works_and_leaves_no_trace(failure: str) -> None:
    system = await started()
    row = await system.handle("scripted", "1", data=[failure, failure, "worked"])
    assert (row.status, row.attempts, result_of(row)) == (Status.DONE, 3, "worked")
    assert [attempt for _, attempt, _ in Scripted.tries] == [1, 2, 3]
    assert waits() == [1.0, 2.0]
    await passed(1)
    assert await system.state("scripted") == {"touched": 1}
    assert await heard(system) == ["1"]


async def test_retryable_may_say_when() -> None:
    system = await started()
    row = await system.handle("scripted", "1", data=["later", "later", "worked"])
    assert (row.status, waits()) == (Status.DONE, [100.0, 100.0])


async def test_the_back_off_counts_from_the_failure_and_not_from_the_beginning() -> None:
    """A handler that worked for an hour and failed waits its back-off; it does not come again at once."""

    class Slow(BaseAgent):
        times: ClassVar[list[tuple[float, float]]] = []

        async def on_event(self, event: Event, context: Context) -> Any:
            begun = CLOCK.now()
            await asyncio.sleep(200.0)
            self.times.append((begun, CLOCK.now()))
            if len(self.times) < 3:
                raise Retryable("busy") if event.data == "retry" else Unavailable("down", after_seconds=30)

    for data, wait in (("retry", [1.0, 2.0]), ("outage", [30.0, 30.0])):
        Slow.times.clear()
        system = await running(Slow)
        await system.handle("slow", "1", data=data)
        assert [round(Slow.times[n + 1][0] - Slow.times[n][1], 3) for n in range(2)] == wait


async def test_after_its_attempts_an_event_is_put_aside() -> None:
    system = await started(rules=Rules(attempts_max=3, backoff_base_seconds=2.0))
    row = await system.handle("scripted", "1", data=["bug"])
    assert (row.status, row.attempts, len(Scripted.tries)) == (Status.QUARANTINED, 3, 3)
    assert row.reason == "ZeroDivisionError: bug (attempt 3 of 3)"
    await passed(1e6)
    assert len(Scripted.tries) == 3
    assert (await system.state("scripted"), await heard(system)) == (None, [])


@pytest.mark.parametrize(("error", "status"), [("terminal", Status.FAILED), ("quarantine", Status.QUARANTINED)])
async def test_some_errors_end_it_at_once(error: str, status: Status) -> None:
    system = await started()
    row = await system.handle("scripted", "1", data=[error])
    assert (row.status, row.attempts, len(Scripted.tries)) == (status, 1, 1)
    await passed(1e6)
    assert (await system.state("scripted"), await heard(system)) == (None, [])
    with pytest.raises(EventFailed):
        system.mailroom.result_of(row)


async def test_others_go_on_while_one_waits_for_its_next_try() -> None:
    system = await started()
    await system.send("scripted", "bad", data=["later", "worked"])
    await passed(1)
    assert (await system.handle("scripted", "good", data=["fine"])).status is Status.DONE
    assert await system.statuses("scripted") == {"bad": "parked", "good": "done"}
    await passed(100)
    assert (await system.statuses("scripted"))["bad"] == "done"


# --- restart policies -------------------------------------------------------------------------------------------------


def with_policy(policy: RestartPolicy) -> type[BaseAgent]:
    return type("Scripted", (Scripted,), {"restart": policy, "name": "scripted"})


async def test_never_stops_the_agent_and_keeps_the_event() -> None:
    system = await running(with_policy(RestartPolicy("never")), Listener)
    await system.send("scripted", "bad", data=["bug", "worked"])
    await system.send("scripted", "next", data=["fine"])
    await passed(10_000)
    head = await system.head("scripted")
    assert (head.control, len(Scripted.tries)) == (Control.STOPPED, 1)
    assert "ZeroDivisionError: bug" in head.reason
    assert await system.statuses("scripted") == {"bad": "parked", "next": "parked"}
    await system.lifecycle.control(head.agent, "start")
    await passed(10)
    head = await system.head("scripted")
    assert head.control is Control.STOPPED, "it failed again at its first try after the start"


async def test_never_means_crashes_and_not_what_asks_for_another_try() -> None:
    system = await running(with_policy(RestartPolicy("never")), Listener)
    row = await system.handle("scripted", "1", data=["retryable", "worked"])
    assert row.status is Status.DONE


async def test_on_failure_counts_its_own_attempts() -> None:
    system = await running(with_policy(on_failure(2)), Listener)
    row = await system.handle("scripted", "1", data=["bug"])
    assert (row.status, row.attempts) == (Status.QUARANTINED, 2)


async def test_always_never_gives_up() -> None:
    system = await running(with_policy(RestartPolicy("always")), Listener, rules=Rules(attempts_max=2))
    row = await system.handle("scripted", "1", data=["bug"] * 40 + ["worked"])
    assert (row.status, row.attempts) == (Status.DONE, 41)


# --- outages ----------------------------------------------------------------------------------------------------------


async def test_an_outage_holds_the_agent_and_costs_no_event_an_attempt() -> None:
    system = await started(rules=Rules(attempts_max=2, backoff_base_seconds=2.0))
    await system.send("scripted", "1", data=["unavailable"])
    await passed(1)
    await system.send("scripted", "2", data=["fine"])
    await passed(40)
    assert await system.statuses("scripted") == {"1": "parked", "2": "parked"}
    assert len(Scripted.tries) == 1, "while it backs off, nothing is tried"
    await passed(400)
    assert {attempt for _, attempt, _ in Scripted.tries} == {1}
    assert (await system.statuses("scripted"))["1"] == "parked"
    assert (await system.head("scripted")).reason == "unavailable: model is down"


async def test_an_outage_that_ends_lets_everything_through_in_order() -> None:
    class Flaky(BaseAgent):
        up_at: ClassVar[float] = 0.0
        seen: ClassVar[list[str]] = []

        async def on_event(self, event: Event, context: Context) -> Any:
            if CLOCK.now() < Flaky.up_at:
                raise Unavailable("down")
            self.seen.append(event.id)

    Flaky.up_at = CLOCK.now() + 300
    system = await running(Flaky)
    for number in range(20):
        await system.send("flaky", f"{number}")
        await passed(1)
    await passed(1000)
    assert Flaky.seen == [f"{number}" for number in range(20)]
    head = await system.head("flaky")
    assert (head.backoff_until, head.outages, head.reason, head.backlog) == (0.0, 0, "", 0)


async def test_outages_in_a_row_wait_longer_each_time() -> None:
    system = await started()
    await system.send("scripted", "1", data=["outage"])
    await passed(100)
    assert waits()[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]


# --- time limits ------------------------------------------------------------------------------------------------------


async def test_a_handler_that_hangs_is_stopped_at_its_limit_and_tried_again() -> None:
    system = await started(rules=Rules(turn_timeout_seconds=30.0, backoff_base_seconds=2.0))
    row = await system.handle("scripted", "1", data=["hang", "worked"])
    assert (row.status, waits()) == (Status.DONE, [31.0])


async def test_an_agents_own_limit_comes_before_the_systems() -> None:
    class Quick(Scripted):
        name = "scripted"
        turn_timeout_seconds = 2.0

    system = await running(Quick, Listener)
    row = await system.handle("scripted", "1", data=["hang"])
    assert (row.status, row.attempts) == (Status.QUARANTINED, 5)
    assert row.reason == "turn-timed-out: the handler ran longer than 2 s (attempt 5 of 5)"


async def test_a_hanging_agent_hurts_nobody_else() -> None:
    system = await started(rules=Rules(turn_timeout_seconds=1000.0))
    hanging = asyncio.create_task(system.handle("scripted", "1", data=["hang"]))
    await passed(1)
    row = await system.handle("listener", "2", data="hello")
    assert (row.status, hanging.done()) == (Status.DONE, False)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


async def test_a_handler_that_will_not_be_stopped_is_stopped_all_the_same() -> None:
    class Stubborn(BaseAgent):
        turn_timeout_seconds = 10.0
        swallowed: ClassVar[int] = 0

        async def on_event(self, event: Event, context: Context) -> Any:
            for _ in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1e6)
                Stubborn.swallowed += 1
            return "at last"

    system = await running(Stubborn)
    begun = CLOCK.now()
    row = await system.handle("stubborn", "1")
    assert (row.status, result_of(row), Stubborn.swallowed) == (Status.DONE, "at last", 3)
    assert CLOCK.now() - begun == 10 + 2 * STOP_AGAIN_SECONDS


async def test_a_handler_that_swallowed_its_cancellation_leaves_the_next_one_unharmed() -> None:
    class Swallows(BaseAgent):
        turn_timeout_seconds = 10.0

        async def on_event(self, event: Event, context: Context) -> Any:
            if event.data == "hang":
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1e6)
                return "partial"
            async with asyncio.timeout(5):
                await asyncio.sleep(1)
            return "whole"

    system = await running(Swallows)
    await system.send_together(event("swallows", "1", data="hang"), event("swallows", "2"))
    await passed(100)
    assert {name: result_of(row) for name, row in (await system.rows("swallows")).items()} == {
        "1": "partial",
        "2": "whole",
    }


# --- what cannot be committed -----------------------------------------------------------------------------------------


class Awkward(BaseAgent):
    """Returns, keeps or sends what cannot be."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["touched"] = True
        if event.data == "result":
            return object()
        if event.data == "surrogate":
            return "\ud800"
        if event.data == "nan":
            return float("nan")
        if event.data == "state":
            self.state["it"] = object()
        if event.data == "state type":
            context.state = [1]
        if event.data == "large":
            await context.send("listener", "x" * 2_000_000)
        if event.data == "unknown":
            await context.send("nobody", 1)
        if event.data == "topic":
            await context.publish("a.*", 1)
        if event.data == "memory":
            await context.remember("\ud800", 1)
        if event.data == "due":
            await context.send("listener", 1, after_seconds=float("inf"))
        if event.data == "cron":
            await context.schedule("s", cron="not a cron")
        return "fine"


@pytest.mark.parametrize(
    "data",
    ["result", "surrogate", "state", "state type", "large", "unknown", "topic", "memory", "due", "cron"],
)
async def test_what_cannot_be_committed_is_put_aside_with_its_reason(data: str) -> None:
    system = await running(Awkward, Listener)
    row = await system.handle("awkward", "1", data=data)
    assert row.status is Status.QUARANTINED
    assert row.reason
    assert await system.state("awkward") is None
    assert (await system.handle("awkward", "2", data="ok")).status is Status.DONE, "and the agent goes on"


# --- storms -----------------------------------------------------------------------------------------------------------


class Echo(BaseAgent):
    """Sends what it gets on to itself, in so many copies."""

    async def on_event(self, event: Event, context: Context) -> Any:
        for _ in range(event.data):
            await context.send(context.agent, event.data)


async def test_a_chain_ends_at_its_hop_limit() -> None:
    system = await running(Echo, limits=Limits(hops_max=10, credits_max=10**6))
    await system.handle("echo", "1", data=1)
    await passed(10)
    rows = list((await system.rows("echo")).values())
    assert len(rows) == 11
    assert sorted(row.event.hops for row in rows) == list(range(11))
    assert [row.status for row in rows if row.event.hops == 10] == [Status.QUARANTINED]
    assert "hop limit 10" in next(row.reason for row in rows if row.event.hops == 10)


@pytest.mark.parametrize(("credits", "fan_out"), [(100, 3), (50, 2), (7, 7), (1000, 10)])
async def test_a_fan_out_ends_with_its_credits(credits: int, fan_out: int) -> None:
    system = await running(Echo, limits=Limits(hops_max=10_000, credits_max=credits))
    await system.handle("echo", "1", data=fan_out)
    await passed(10)
    rows = list((await system.rows("echo")).values())
    assert len(rows) - 1 <= credits, "never more events than credits"
    assert {row.status for row in rows} == {Status.DONE, Status.QUARANTINED}
    assert any("credits exhausted" in row.reason for row in rows)


async def test_credits_are_for_all_descendants_together() -> None:
    system = await running(Echo, limits=Limits(hops_max=10_000, credits_max=20))
    await system.handle("echo", "1", data=1)
    await passed(10)
    assert len(await system.rows("echo")) == 21
