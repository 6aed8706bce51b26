"""The order of an agent's events: first in first out, hot turns, parking, strict order, priorities."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Retryable, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import System, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time


class Recorder(BaseAgent):
    """Records what it handles; fails so many times as the event says."""

    seen: ClassVar[list[str]] = []
    failures: ClassVar[dict[str, int]] = {}

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data or 0)
        if self.failures.get(event.id, 0) >= context.attempt:
            raise Retryable("not yet", after_seconds=10)
        self.seen.append(event.id)
        self.state["count"] = self.state.get("count", 0) + 1
        await context.send("listener", event.id)
        return self.state["count"]


class Strict(Recorder):
    name = "recorder"
    ordering = "strict"


class Listener(BaseAgent):
    """Keeps what it hears."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append(event.data)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Recorder.seen.clear()
    Recorder.failures.clear()


def named(names: str, **fields: Any) -> list[Event]:
    return [event("recorder", name, **fields) for name in names]


async def heard(system: System) -> Any:
    state = await system.state("listener")
    return "".join(state["heard"]) if state else ""


# --- first in, first out, and many in one turn ------------------------------------------------------------------------


async def test_events_are_handled_in_the_order_of_their_coming() -> None:
    system = await running(Recorder, Listener)
    await asyncio.gather(*(system.handle("recorder", name, data=0.5) for name in "abcdefghij"))
    await passed(10)
    assert "".join(Recorder.seen) == await heard(system) == "abcdefghij"


async def test_what_waits_together_is_handled_in_one_turn_and_one_commit() -> None:
    system = await running(Recorder, Listener)
    await system.send_together(*named("abcdefgh"))
    await passed(1)
    rows = await system.rows("recorder")
    assert {row.version for row in rows.values()} == {1}
    assert {name: result_of(row) for name, row in rows.items()} == {name: at for at, name in enumerate("abcdefgh", 1)}
    assert (await system.head("recorder")).version == 1
    assert await heard(system) == "abcdefgh"


async def test_a_turn_has_so_many_events_and_no_more() -> None:
    system = await running(Recorder, Listener, turn_events_max=3, rules=Rules(turn_events_max=3))
    await system.send_together(*named("abcdefgh"))
    await passed(1)
    assert [row.version for _, row in sorted((await system.rows("recorder")).items())] == [1, 1, 1, 2, 2, 2, 3, 3]


async def test_of_a_hot_turn_the_one_that_fails_is_parked_alone() -> None:
    Recorder.failures["c"] = 1
    system = await running(Recorder, Listener)
    await system.send_together(*named("abcde"))
    await passed(1)
    rows = await system.rows("recorder")
    assert {name: row.status.value for name, row in rows.items()} == dict.fromkeys("abde", "done") | {"c": "parked"}
    assert {row.version for row in rows.values()} == {1}
    assert await system.state("recorder") == {"count": 4}
    assert await heard(system) == "abde"
    await passed(20)
    assert (Recorder.seen, await heard(system)) == (list("abdec"), "abdec")


async def test_of_a_hot_turn_the_one_that_ends_badly_takes_nothing_with_it() -> None:
    class Picky(Recorder):
        name = "recorder"

        async def on_event(self, event: Event, context: Context) -> Any:
            self.state["touched by"] = event.id
            await context.remember("last", event.id)
            if event.id == "c":
                await context.send("listener", "never")
                raise Terminal("not this one")
            return await super().on_event(event, context)

    system = await running(Picky, Listener)
    await system.send_together(*named("abcd"))
    await passed(1)
    assert await system.statuses("recorder") == dict.fromkeys("abd", "done") | {"c": "failed"}
    assert await system.state("recorder") == {"count": 3, "touched by": "d"}
    assert await heard(system) == "abd"


async def test_the_last_of_a_hot_turn_failing_leaves_the_state_of_the_one_before() -> None:
    class Breaking(Recorder):
        name = "recorder"

        async def on_event(self, event: Event, context: Context) -> Any:
            self.state["touched by"] = event.id
            if event.id == "c":
                self.state = "rubbish"
                raise Terminal("no")
            return await super().on_event(event, context)

    system = await running(Breaking, Listener)
    await system.send_together(*named("abc"))
    await passed(1)
    assert await system.state("recorder") == {"count": 2, "touched by": "b"}
    await system.handle("recorder", "d")
    assert await system.state("recorder") == {"count": 3, "touched by": "d"}


# --- stepping aside, and blocking -------------------------------------------------------------------------------------


async def test_an_event_that_fails_steps_aside() -> None:
    Recorder.failures["a"] = 2
    system = await running(Recorder, Listener)
    for name in "abcd":
        await system.send("recorder", name)
        await passed(1)
    assert "".join(Recorder.seen) == "bcd"
    await passed(30)
    assert "".join(Recorder.seen) == await heard(system) == "bcda"


async def test_where_order_is_strict_it_blocks_those_behind_it() -> None:
    Recorder.failures["a"] = 2
    system = await running(Strict, Listener)
    for name in "abcd":
        await system.send("recorder", name)
        await passed(1)
    assert Recorder.seen == []
    assert await system.statuses("recorder") == dict.fromkeys("abcd", "parked")
    await passed(7)
    await system.send("recorder", "e")
    await passed(30)
    assert "".join(Recorder.seen) == await heard(system) == "abcde"


async def test_strict_order_holds_within_a_hot_turn() -> None:
    Recorder.failures |= {"c": 1, "e": 2}
    system = await running(Strict, Listener)
    await system.send_together(*named("abcdefg"))
    await passed(1)
    assert "".join(Recorder.seen) == "ab"
    await passed(100)
    assert "".join(Recorder.seen) == await heard(system) == "abcdefg"


async def test_strict_order_goes_on_behind_what_was_put_aside() -> None:
    Recorder.failures["b"] = 99
    system = await running(Strict, Listener, rules=Rules(attempts_max=3))
    await system.send_together(*named("abc"))
    await passed(100)
    assert "".join(Recorder.seen) == "ac"
    assert (await system.row("recorder", "b")).status is Status.QUARANTINED


async def test_order_is_kept_over_more_than_fits_in_a_turn() -> None:
    Recorder.failures["a0"] = 1
    system = await running(Strict, Listener, turn_events_max=4, rules=Rules(turn_events_max=4))
    names = [f"a{number}" for number in range(30)]
    for start in range(0, 30, 3):
        await system.send_together(*(event("recorder", name) for name in names[start : start + 3]))
        await passed(0.5)
    await passed(100)
    assert Recorder.seen == names


async def test_arrivals_queue_behind_what_was_held() -> None:
    """Held while paused, then resumed: what comes in the very moment of the resume does not overtake."""
    system = await running(Recorder, Listener, turn_events_max=2, rules=Rules(turn_events_max=2))
    await system.handle("recorder", "first")
    address = (await system.head("recorder")).agent
    await system.lifecycle.control(address, "pause")
    for name in "abcdefg":
        await system.send("recorder", name)
        await passed(1)
    resumed = asyncio.create_task(system.lifecycle.control(address, "resume"))
    for name in "hij":
        await system.send("recorder", name)
    await resumed
    await passed(10)
    assert "".join(Recorder.seen) == "first" + "abcdefghij"


# --- due times --------------------------------------------------------------------------------------------------------


async def test_an_event_is_not_handled_before_it_is_due() -> None:
    system = await running(Recorder, Listener)
    await system.send("recorder", "later", due=CLOCK.now() + 100)
    await system.send("recorder", "now")
    await passed(99)
    assert Recorder.seen == ["now"]
    await passed(2)
    assert Recorder.seen == ["now", "later"]


async def test_who_waits_for_an_event_that_is_due_later_waits_until_then() -> None:
    system = await running(Recorder, Listener)
    begun = CLOCK.now()
    await system.handle("recorder", "later", due=begun + 100)
    assert CLOCK.now() >= begun + 100


async def test_a_sent_event_may_be_for_later_and_keeps_its_order() -> None:
    class Planner(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            for name in "abc":
                await context.send("listener", name, after_seconds=60)
            await context.send("listener", "now")

    system = await running(Planner, Listener)
    await system.handle("planner")
    await passed(59)
    assert await heard(system) == "now"
    await passed(2)
    assert await heard(system) == "nowabc"


# --- priorities -------------------------------------------------------------------------------------------------------


async def paused(system: System) -> Any:
    await system.handle("recorder", "-")
    Recorder.seen.clear()
    address = (await system.head("recorder")).agent
    await system.lifecycle.control(address, "pause")
    return address


async def test_priorities_overtake_what_waits_in_the_store() -> None:
    system = await running(Recorder, Listener)
    address = await paused(system)
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 9), ("e", 5)):
        await system.send("recorder", name, priority=priority)
        await passed(1)
    await system.lifecycle.control(address, "resume")
    await passed(1)
    assert "".join(Recorder.seen) == "dbeac"


async def test_where_order_is_strict_priorities_do_not() -> None:
    system = await running(Strict, Listener)
    address = await paused(system)
    for name, priority in (("a", 0), ("b", 5), ("c", 9)):
        await system.send("recorder", name, priority=priority)
        await passed(1)
    await system.lifecycle.control(address, "resume")
    await passed(1)
    assert "".join(Recorder.seen) == "abc"


async def test_urgent_events_do_not_starve_the_others() -> None:
    rules = Rules(turn_events_max=1, priority_stride=3)
    system = await running(Recorder, Listener, turn_events_max=1, rules=rules)
    address = await paused(system)
    await system.send("recorder", "ordinary")
    await passed(1)
    for number in range(60):
        await system.send("recorder", f"urgent{number}", priority=9)
        await passed(1)
    await system.lifecycle.control(address, "resume")
    await passed(10)
    assert Recorder.seen.index("ordinary") <= 9 * 3
    assert len(Recorder.seen) == 61


# --- a lot ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Recorder, Strict])
async def test_nothing_is_lost_or_doubled_among_many_that_fail(kind: type[BaseAgent]) -> None:
    names = [f"{number:03}" for number in range(200)]
    Recorder.failures |= {name: number % 4 for number, name in enumerate(names) if number % 5 == 0}
    system = await running(kind, Listener, turn_events_max=16, rules=Rules(turn_events_max=16))
    for start in range(0, 200, 7):
        await system.send_together(*(event("recorder", name) for name in names[start : start + 7]))
        await passed(0.3)
    await passed(2000)
    assert sorted(Recorder.seen) == names
    assert set((await system.statuses("recorder")).values()) == {"done"}
    state = await system.state("listener")
    assert sorted(state["heard"]) == names
    if kind is Strict:
        assert Recorder.seen == state["heard"] == names
    head = await system.head("recorder")
    assert (head.backlog, head.handled) == (0, 200)
