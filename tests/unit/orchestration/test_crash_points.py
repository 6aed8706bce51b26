"""The kernel where commit, relay and settling are three operations and each can fail: what the simulator found.

The seeds at which the simulator fell are named in each test; `tests/simulation` runs them, and many more.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.errors import Retryable, StoreUnavailable
from AgentOperatingSystem.events import Event, Kind, Message, doorbell, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.pump import Pump
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Status

pytestmark = pytest.mark.virtual_time
CLOCK = LoopClock()
WORKER, SINK = AgentId("worker"), AgentId("sink")


class Worker(BaseAgent):
    """Counts; does what the event's data say."""

    name = "worker"
    runs = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        Worker.runs += 1
        self.state["count"] = self.state.get("count", 0) + 1
        for name, value in (event.data or {}).items():
            await getattr(self, f"_{name}")(context, value)
        return self.state["count"]

    async def _send(self, context: Context, what: str) -> None:
        await context.send(SINK, what)

    async def _fail(self, context: Context, times: int) -> None:
        if context.attempt <= times:
            raise Retryable("again", after_seconds=10)

    async def _timer(self, context: Context, at: float) -> None:
        await context.schedule("alarm", at=at, data={"send": "alarm"})

    async def _timers(self, context: Context, times: list[float]) -> None:
        for at in times:
            await context.schedule(f"at {at}", at=at)

    async def _work(self, context: Context, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _note(self, context: Context, key: str) -> None:
        await context.remember(key, (await context.recall(key) or 0) + 1)


class Sink(BaseAgent):
    """Keeps what it is sent, in order."""

    name = "sink"

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append(event.data)


class Store(MemoryAgentStore):
    """Loses the next answers of the operations that a test names; `commits` counts those that took effect."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse: list[str] = []
        self.commits = 0
        self.meanwhile: list[Callable[[], Awaitable[None]] | None] = []
        """What happens before the next reads of events' rows."""

    async def commit(self, change: Change) -> Committed:
        self._meet("commit")
        self.commits += 1
        return await super().commit(change)

    async def event(self, agent: AgentId, key: str) -> EventRow | None:
        happens = self.meanwhile.pop(0) if self.meanwhile else None
        if happens is not None:
            await happens()
        return await super().event(agent, key)

    async def row(self, agent: AgentId, kind: str, name: str) -> bytes | None:
        self._meet("row")
        return await super().row(agent, kind, name)

    def _meet(self, operation: str) -> None:
        if operation in self.refuse:
            self.refuse.remove(operation)
            raise StoreUnavailable(operation)


class Bus(MemoryBus):
    """Refuses the next sendings while `broken`, and remembers what it was sent."""

    broken = False
    locked = False

    async def send(self, messages: Sequence[Message]) -> None:
        if self.broken:
            raise StoreUnavailable("send")
        self.sent = [*getattr(self, "sent", []), *messages]
        await super().send(messages)

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        if self.locked:
            raise StoreUnavailable("release")
        await super().release(turn, after_seconds)


class System:
    """One store and one broker, for as many hosts as a test wants."""

    def __init__(self) -> None:
        Worker.runs = 0
        self.store, self.blobs = Store(), MemoryBlobStore(CLOCK)
        self.bus = Bus(CLOCK, lambda event: (), lock_seconds=60)
        self.turns = self.bus.turns()
        registry = Registry()
        registry.register(Worker)
        registry.register(Sink)
        self.parts = Parts(self.store, self.blobs, self.bus, registry, CLOCK, lambda: 0.0, Rules(), Limits())

    def host(self) -> Kernel:
        """A host with an empty memory."""
        return Kernel(self.parts)

    async def accept(self, name: str, **data: Any) -> None:
        """An event for the worker."""
        await self.bus.send([event_message(Event(type="t", id=name, source="/test", agent=WORKER, data=data))])

    async def next(self) -> Turn:
        return await anext(self.turns)

    async def finish(self, seconds: float = 600.0) -> None:
        """A new host does whatever there is to do within that time."""
        pump = Pump(self.host(), self.bus, 8)
        pump.start()
        await asyncio.sleep(seconds)
        await pump.drain(0)
        self.turns = self.bus.turns()

    async def count(self) -> int:
        found = await self.store.load(WORKER)
        assert found is not None
        return int(_json(found[0].state)["count"])

    async def heard(self) -> list[Any]:
        found = await self.store.load(SINK)
        return list(_json(found[0].state)["heard"]) if found is not None else []

    async def row(self, name: str) -> EventRow:
        row = await self.store.event(WORKER, Event(type="t", id=name, source="/test").key)
        assert row is not None
        return row


def _json(content: bytes) -> Any:
    return json.loads(content)


@pytest.fixture
async def system() -> AsyncIterator[System]:
    made = System()
    yield made
    await made.bus.close()


# --- what a failed turn leaves in memory ------------------------------------------------------------------------------


async def test_a_commit_that_failed_leaves_nothing_in_memory(system: System) -> None:
    """Seed 62: the refused turn's state stayed in the cache, its ETag unchanged, and was committed with the retry."""
    host = system.host()
    await system.accept("1")
    await host.deliver(await system.next())
    await system.accept("2")
    turn = await system.next()
    system.store.refuse = ["commit"]
    with pytest.raises(StoreUnavailable):
        await host.deliver(turn)
    await host.deliver(turn)
    assert await system.count() == 2


async def test_one_host_does_not_work_on_an_agent_twice_at_once(system: System) -> None:
    host = system.host()
    await system.accept("1", work=10.0)
    first = await system.next()
    system.bus.expire(first)
    await asyncio.gather(host.deliver(first), host.deliver(await system.next()))
    assert (await system.count(), Worker.runs) == (1, 1)


async def test_what_an_earlier_holder_finished_does_not_run_again(system: System) -> None:
    """Seed 0: a turn longer than its lock was handed out for ever, and its handlers ran each time."""
    await system.accept("1")
    turn = await system.next()
    await system.host().deliver(turn)
    await system.host().deliver(Turn(turn.agent, turn.messages, turn.receipts, deliveries=2))
    assert Worker.runs == 1


async def test_that_there_is_nothing_to_do_is_not_believed_of_an_old_copy(system: System) -> None:
    """Seed 27: a host woke an agent for its timer, saw none in a copy that was out of date, and the bell was gone."""
    old, other = system.host(), system.host()
    await system.accept("1")
    await old.deliver(await system.next())
    await system.accept("2", timer=CLOCK.now() + 5)
    await other.deliver(await system.next())
    await old.deliver(await system.next())
    assert await system.count() == 3


# --- outputs that a crash swallowed -----------------------------------------------------------------------------------


async def test_what_a_parked_event_sends_survives_a_crash_before_the_relay(system: System) -> None:
    """Seed 1: only a bell stood behind the commit, and its redelivery found nothing to do."""
    await system.accept("1", fail=1, send="late")
    await system.host().deliver(await system.next())
    bell = await system.next()
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(bell)
    system.bus.broken = False
    system.bus.expire(bell)
    await system.finish()
    assert await system.heard() == ["late"]


async def test_what_a_timer_sends_survives_a_crash_before_the_relay(system: System) -> None:
    await system.accept("1", timer=CLOCK.now() + 5)
    await system.host().deliver(await system.next())
    bell = await system.next()
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(bell)
    system.bus.broken = False
    await system.bus.settle(bell)  # even its own message is gone: whoever wakes the agent next pays the debt
    await system.accept("2")
    await system.finish()
    assert await system.heard() == ["alarm"]


async def test_debts_are_paid_in_the_order_of_the_commits(system: System) -> None:
    """Seed 52: what a parked event sent overtook what an earlier turn had committed."""
    await system.accept("1", fail=1, send="second")
    host = system.host()
    await host.deliver(await system.next())
    await asyncio.sleep(10)
    await system.accept("2", send="first")
    arrival = await system.next()  # the bell for event 1 came first
    messages = tuple(message for message in arrival.messages if message.kind is Kind.EVENT)
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await host.deliver(Turn(WORKER, messages, tuple(message.id for message in messages)))
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(Turn(WORKER, (doorbell(WORKER),), ("bell",)))
    system.bus.broken = False
    await system.host().deliver(Turn(WORKER, messages, tuple(message.id for message in messages), deliveries=2))
    system.bus.expire(arrival)
    await system.finish()
    assert await system.heard() == ["first", "second"]


async def test_debts_of_one_commit_are_paid_in_the_order_of_its_handling(system: System) -> None:
    """Seed 6297: what had overtaken by its priority fell behind again, because its message came later."""
    lifecycle = Lifecycle(system.parts, host := system.host())
    await lifecycle.control(WORKER, "pause")
    for name, priority in (("low", 0), ("high", 9)):
        event = Event(type="t", id=name, source="/test", agent=WORKER, data={"send": name}, priority=priority)
        await system.bus.send([event_message(event)])
    arrivals = await system.next()
    await host.deliver(arrivals)
    await lifecycle.control(WORKER, "resume")
    bell = await system.next()
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(bell)
    system.bus.broken = False
    messages = tuple(message for message in arrivals.messages if message.event is not None)
    await system.host().deliver(Turn(WORKER, messages, tuple(message.id for message in messages), deliveries=2))
    await system.finish()
    assert await system.heard() == ["high", "low"]


async def test_a_debt_is_not_paid_in_part_while_another_host_commits(system: System) -> None:
    """Seed 1355: read before that commit, the first event seemed fresh, and what the second had sent left alone."""
    await system.accept("1", send="first")
    await system.accept("2", send="second")
    turn = await system.next()

    async def other_host_commits_and_dies() -> None:
        system.bus.broken = True
        with pytest.raises(StoreUnavailable):
            await system.host().deliver(turn)
        system.bus.broken = False

    system.store.meanwhile = [None, other_host_commits_and_dies]
    messages = (*turn.messages, turn.messages[0])  # a copy behind the others does not change their order
    await system.host().deliver(Turn(turn.agent, messages, turn.receipts, deliveries=2))
    await system.finish()
    assert await system.heard() == ["first", "second"]


async def test_outputs_leave_in_the_order_of_handling(system: System) -> None:
    """Seed 108: arrivals' outputs left before those of the parked event that was handled before them."""
    lifecycle = Lifecycle(system.parts, host := system.host())
    await lifecycle.control(WORKER, "pause")
    await system.accept("1", send="parked first")
    await host.deliver(await system.next())
    await lifecycle.control(WORKER, "resume")
    await system.accept("2", send="came second")
    await system.finish()
    assert await system.heard() == ["parked first", "came second"]


# --- bells ----------------------------------------------------------------------------------------------------------


def rings(system: System, since: int) -> list[Message]:
    return [message for message in system.bus.sent[since:] if message.kind is Kind.DOORBELL]


async def test_a_turn_that_runs_timers_rings_for_the_next_one(system: System) -> None:
    """Seed 299: the bell of a second timer was lost with its turn, and the first timer's run did not ring again."""
    await system.accept("1", timers=[CLOCK.now() + 5, CLOCK.now() + 50])
    turn = await system.next()
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(turn)
    system.bus.broken = False
    await system.bus.settle(turn)
    await asyncio.sleep(5)
    await system.host().deliver(Turn(WORKER, (doorbell(WORKER),), ("bell",)))
    await system.finish()
    assert await system.count() == 3


async def test_a_bell_that_finds_nothing_to_do_rings_no_other(system: System) -> None:
    """Each such bell rang for everything that waits: without duplicate detection they multiplied."""
    await system.accept("1", fail=1)
    await system.host().deliver(await system.next())
    before = len(system.bus.sent)
    await system.host().deliver(Turn(WORKER, (doorbell(WORKER),), ("bell",)))
    assert rings(system, before) == []


async def test_a_bell_that_comes_too_early_rings_again_under_another_id(system: System) -> None:
    await system.accept("1", fail=1)
    await system.host().deliver(await system.next())
    ordered = system.bus.sent[-1]
    before = len(system.bus.sent)
    await system.host().deliver(Turn(WORKER, (ordered,), (ordered.id,)))
    again = rings(system, before)
    assert [bell.due for bell in again] == [ordered.due + 10]  # ten seconds early
    assert again[0].id != ordered.id


async def test_a_bell_that_is_delivered_again_rings_for_what_its_first_delivery_parked(system: System) -> None:
    await system.accept("1", fail=2)
    await system.host().deliver(await system.next())
    bell = await system.next()
    system.bus.broken = True
    with pytest.raises(StoreUnavailable):
        await system.host().deliver(bell)
    system.bus.broken = False
    system.bus.expire(bell)
    await system.finish()
    assert (await system.row("1")).status is Status.DONE


# --- handling -------------------------------------------------------------------------------------------------------


async def test_a_store_that_fails_within_a_handler_costs_no_attempt(system: System) -> None:
    """Seed 0: five lost answers of `recall` put an innocent event into quarantine."""
    await system.accept("1", note="x")
    system.store.refuse = ["row"] * 7
    await system.finish()
    row = await system.row("1")
    assert (row.status, row.attempts) == (Status.DONE, 1)


async def test_the_next_event_of_a_turn_recalls_what_the_one_before_remembered(system: System) -> None:
    await system.accept("1", note="x")
    await system.accept("2", note="x")
    await system.host().deliver(await system.next())
    assert await system.store.row(WORKER, "memory", "x") == b"2"
    assert system.store.commits == 1


async def test_a_timer_that_is_set_again_to_a_time_at_which_it_ran_runs_once_even_behind_others(system: System) -> None:
    """Seed 13: held behind the backlog, the second run met the first one's row in each commit, for ever."""
    at = CLOCK.now() + 5
    await system.accept("1", timer=at)
    await system.finish(30)
    host = system.host()
    lifecycle = Lifecycle(system.parts, host)
    await lifecycle.control(WORKER, "pause")
    for name in range(70):
        await system.accept(f"parked {name}", timer=at)
    await system.finish(30)
    await lifecycle.control(WORKER, "resume")
    await system.finish()
    assert await system.heard() == ["alarm"]
    assert await system.count() == 72


async def test_a_turn_that_cannot_be_given_back_comes_back_by_itself(system: System) -> None:
    tasks: list[asyncio.Task[Any]] = []

    def seen(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        tasks.append(asyncio.Task(coroutine, loop=loop, **options))
        return tasks[-1]

    asyncio.get_running_loop().set_task_factory(seen)
    await system.accept("1")
    system.store.refuse = ["commit"]
    system.bus.locked = True
    await system.finish()
    assert await system.count() == 1
    assert [task for task in tasks if not task.cancelled() and task.exception() is not None] == []
