"""The real kernel on this store, with a broker that knows nothing of it: two hosts, a bad network, costs per event."""

import asyncio
import random
from collections import Counter as Counts
from collections.abc import Awaitable, Callable
from typing import Any

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from tests.azure_service import Fault, service
from tests.clocks import CLOCK
from tests.systems import System, World, event, result_of, running


class Counter(BaseAgent):
    """Counts, and tells a neighbour of every event."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["count"] = self.state.get("count", 0) + 1
        if event.data == "tell":
            await context.send("listener", type="test.told", data=event.id)
        return self.state["count"]


class Listener(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        self.state.setdefault("heard", []).append(event.data)


async def test_a_warm_event_through_the_kernel_is_one_transaction_and_no_read() -> None:
    async with service() as azure:
        system = await running(Counter, world=World(store=azure.store, blobs=azure.account.blobs))
        await system.handle("counter")
        azure.wire.take()
        for number in range(5):
            row = await system.handle("counter")
            assert result_of(row) == number + 2
        assert azure.wire.take() == {"transaction": 5}
        await system.pump.drain(1.0)


async def test_two_hosts_on_a_bad_network_handle_every_event_once() -> None:
    chance = random.Random(11)

    def chooses(kind: str) -> Fault | None:
        return chance.choice(list(Fault)) if chance.random() < 0.08 else None

    async with service() as azure, service(azure.account.table.name) as other:
        bus = MemoryBus(CLOCK, lambda event: (), turn_events_max=2, lock_seconds=0.5)
        world = World(azure.store, azure.account.blobs, bus)
        first = await running(Counter, Listener, world=world)
        second = await running(Counter, Listener, world=World(other.store, other.account.blobs, world.bus))
        azure.wire.chooses = other.wire.chooses = chooses
        events = [event(AgentId("counter", f"{n % 3}"), f"e{n}", data="tell") for n in range(30)]
        await asyncio.gather(*(first.send_together(each) for each in [*events, *events[:10]]))
        await until(lambda: heard(first, len(events)))
        azure.wire.spoil()
        other.wire.spoil()
        for key in ("0", "1", "2"):
            assert await first.state(AgentId("counter", key)) == {"count": 10}
        assert Counts((await first.state("listener"))["heard"]) == Counts(each.id for each in events)
        assert azure.wire.sent["transaction"] + other.wire.sent["transaction"] > 20
        await asyncio.gather(first.pump.drain(1.0), second.pump.drain(1.0))


async def heard(system: System, number: int) -> bool:
    try:
        state = await system.state("listener")
    except StoreUnavailable:
        return False
    return state is not None and len(state["heard"]) >= number


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await reached():  # noqa: ASYNC110  # what is waited for happens in a service
            await asyncio.sleep(0.05)


async def test_a_backlog_of_a_paused_agent_is_drained_in_order() -> None:
    events = 70
    async with service() as azure:
        system = await running(Listener, world=World(azure.store, azure.account.blobs))
        await system.handle("listener", "first", data="first")
        await system.lifecycle.control(AgentId("listener"), "pause")
        await system.send_together(*(event("listener", f"b{n}", data=n) for n in range(events)))
        await until(lambda: parked(system, events))
        await system.lifecycle.control(AgentId("listener"), "resume")
        await until(lambda: heard(system, events + 1))
        assert (await system.state("listener"))["heard"] == ["first", *range(events)]
        await system.pump.drain(1.0)


async def parked(system: System, number: int) -> bool:
    return (await system.head("listener")).backlog == number
