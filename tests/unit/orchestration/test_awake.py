"""Agents in memory, handlers under watch, and those who wait for an outcome."""

import asyncio
import contextlib
from typing import Any

import pytest

from AgentOperatingSystem.agents.state import StateCodec
from AgentOperatingSystem.errors import EventInFlight, IdempotencyKeyReused
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.awake import (
    INTERRUPTED,
    RECENT_MAX,
    STOP_AGAIN_SECONDS,
    TIME_LIMIT,
    Awake,
    Running,
    Warm,
    Watch,
)
from AgentOperatingSystem.orchestration.outcomes import Outcomes
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.contract.samples import row

pytestmark = pytest.mark.virtual_time
A, B, C = AgentId("a"), AgentId("b"), AgentId("c")


def awake(agent: AgentId = A) -> Awake:
    return Awake(None, None, ContextMCPServer(agent), b"", b"", {})


# --- the cache --------------------------------------------------------------------------------------------------------


def test_the_least_recently_used_is_forgotten_first() -> None:
    warm = Warm(2)
    for agent in (A, B):
        warm.put(agent, awake(agent))
    taken = warm.take(A)
    assert taken is not None
    assert warm.get(A) is None, "one turn has it"
    warm.put(A, taken)
    warm.put(C, awake(C))
    assert [agent for agent in (A, B, C) if warm.get(agent) is not None] == [A, C]
    assert len(warm) == 2


def test_a_cache_of_none_keeps_none() -> None:
    warm = Warm(0)
    warm.put(A, awake())
    assert (warm.get(A), len(warm)) == (None, 0)


def test_a_type_is_forgotten_with_all_its_keys() -> None:
    warm = Warm(10)
    for agent in (AgentId("a", "1"), AgentId("a", "2", "north"), AgentId("ab")):
        warm.put(agent, awake(agent))
    warm.forget_type("a")
    assert (len(warm), warm.get(AgentId("ab")) is not None) == (1, True)


def test_the_latest_events_are_remembered() -> None:
    it = awake()
    for number in range(RECENT_MAX + 10):
        it.note(f"{number}")
    assert len(it.recent) == RECENT_MAX
    assert ("9" in it.recent, "10" in it.recent) == (False, True)


def test_a_state_is_rewound_to_what_it_was() -> None:
    class Object:
        state: Any = None

    class Kind:
        codec = StateCodec(None, 1, {}, 1000)

    it = Awake(Kind(), Object(), ContextMCPServer(A), b"", b"", {})  # type: ignore[arg-type]  # all that is looked at
    it.state["rubbish"] = object()
    it.rewind(b'{"n":1}')
    assert it.agent is not None
    assert it.state == it.agent.state == {"n": 1}


# --- the watch --------------------------------------------------------------------------------------------------------


async def watched(watch: Watch, agent: AgentId, limit_seconds: float, seconds: float, swallows: int = 0) -> Running:
    """A handler that works so long, and swallows so many cancellations."""
    running = watch.enter(agent, limit_seconds)
    try:
        for attempt in range(swallows + 1):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(seconds)
                break
            if attempt < swallows:
                continue
    finally:
        watch.leave(agent)
        if running.stops:
            await running.calm()
    return running


async def test_a_handler_in_time_is_left_alone() -> None:
    watch = Watch()
    running = await watched(watch, A, 10, 9)
    assert (running.why, running.stops, watch.is_running(A), len(watch)) == ("", 0, False, 0)


async def test_handlers_are_stopped_each_at_its_own_limit() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    begun = loop.time()

    async def timed(agent: AgentId, limit: float) -> tuple[str, float]:
        running = await watched(watch, agent, limit, 1e6)
        return running.why, loop.time() - begun

    outcomes = await asyncio.gather(timed(A, 30), timed(B, 10), timed(C, 20))
    assert list(outcomes) == [(TIME_LIMIT, 30.0), (TIME_LIMIT, 10.0), (TIME_LIMIT, 20.0)]


async def test_one_that_will_not_hear_is_told_again() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    begun = loop.time()
    running = await watched(watch, A, 10, 1e6, swallows=3)
    assert (running.stops, loop.time() - begun) == (4, 10 + 3 * STOP_AGAIN_SECONDS)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    async with asyncio.timeout(5):
        await asyncio.sleep(1)


async def test_interrupting_stops_at_once_and_only_the_one_who_is_meant() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    begun = loop.time()
    working = [asyncio.create_task(watched(watch, agent, 100, 50)) for agent in (A, B)]
    await asyncio.sleep(5)
    watch.interrupt(A)
    watch.interrupt(C)
    one, other = await asyncio.gather(*working)
    assert (one.why, other.why, loop.time() - begun) == (INTERRUPTED, "", 50)


async def test_a_cancellation_of_the_host_is_not_taken_back_with_ours() -> None:
    watch = Watch()

    async def handler() -> None:
        running = watch.enter(A, 10)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1e6)
        watch.leave(A)
        asyncio.current_task().cancel()  # type: ignore[union-attr]  # the host stops in this very moment
        await running.calm()

    task = asyncio.create_task(handler())
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_handler_that_is_cancelled_before_it_awaits_leaves_nothing_behind() -> None:
    watch = Watch()
    running = watch.enter(A, 10)
    watch.interrupt(A)
    watch.leave(A)
    await running.calm()
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


# --- who waits --------------------------------------------------------------------------------------------------------


def ended(status: Status = Status.DONE, mark: str = "mark") -> EventRow:
    return row("1", A, status=status, fingerprint=mark)


async def test_everybody_who_waits_for_an_event_gets_its_row() -> None:
    outcomes, key = Outcomes(), ended().key
    (first, is_first), (second, is_second) = outcomes.wait(A, key, "mark"), outcomes.wait(A, key, "mark")
    assert (is_first, is_second) == (True, False)
    outcomes.tell(A, ended(Status.PARKED))
    outcomes.tell(B, ended())
    assert not first.done()
    outcomes.tell(A, ended())
    assert await first is await second
    outcomes.tell(A, ended())


async def test_who_brings_another_body_is_refused_or_told() -> None:
    outcomes, key = Outcomes(), ended().key
    waiter, _ = outcomes.wait(A, key, "mark")
    with pytest.raises(EventInFlight):
        outcomes.wait(A, key, "other")
    outcomes.tell(A, ended(mark="of the first"))
    with pytest.raises(IdempotencyKeyReused):
        await waiter


async def test_who_leaves_is_forgotten_and_the_others_are_not() -> None:
    outcomes, key = Outcomes(), ended().key
    (going, _), (staying, _) = outcomes.wait(A, key, "mark"), outcomes.wait(A, key, "mark")
    outcomes.leave(A, key, going)
    outcomes.leave(A, key, going)
    outcomes.tell(A, ended())
    assert (going.done(), (await staying).status) == (False, Status.DONE)
    alone, _ = outcomes.wait(A, key, "mark")
    outcomes.leave(A, key, alone)
    _, is_first = outcomes.wait(A, key, "another body")
    assert is_first, "nothing of it is in flight any more"


async def test_giving_up_tells_everybody() -> None:
    outcomes = Outcomes()
    waiters = [outcomes.wait(agent, ended().key, "mark")[0] for agent in (A, B)]
    outcomes.give_up()
    for waiter in waiters:
        with pytest.raises(TimeoutError):
            await waiter
