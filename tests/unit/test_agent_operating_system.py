"""The system as applications hold it, on the embedded default: what it costs, what it keeps, how it starts and ends."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Route, storage
from AgentOperatingSystem.agent_operating_system import event_from
from AgentOperatingSystem.errors import (
    AOSError,
    ConfigurationError,
    EventFailed,
    InvalidEvent,
    Overloaded,
    RequestTimedOut,
    Terminal,
    UnknownAgent,
)
from AgentOperatingSystem.storage.records import Control, Status

MIB = 1 << 20


class Counter(BaseAgent):
    """Counts, publishes, and waits for its gate where an event says so."""

    gate: ClassVar[asyncio.Event]
    begun: ClassVar[list[str]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        self.begun.append(event.id)
        if event.data == "wait":
            await self.gate.wait()
        if event.data == "refuse":
            raise Terminal("no")
        self.state["count"] = self.state.get("count", 0) + 1
        await context.publish("counted", self.state["count"])
        return self.state["count"]


class Large(BaseAgent):
    """Keeps a text."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if isinstance(event.data, int):
            self.state["text"] = random.Random(7).randbytes(event.data // 2).hex()
        return sha256(self.state["text"].encode()).hexdigest()


@pytest.fixture(autouse=True)
def closed_gate() -> None:
    Counter.gate = asyncio.Event()
    Counter.begun.clear()


@pytest.fixture
async def aos(tmp_path: Path) -> AsyncIterator[AgentOperatingSystem]:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, drain_timeout_seconds=0.2)) as system:
        for agent in (Counter, Large):
            await system.register_agent(agent)
        yield system
        Counter.gate.set()


def event(event_id: str, data: Any = None, agent: str = "counter") -> Event:
    return Event(type="test.happened", source="/test", id=event_id, data=data, agent=AgentId.parse(agent))


async def begun(event_id: str) -> None:
    """Until the handler of that event runs."""
    await until(lambda: event_id in Counter.begun)


async def until(holds: Callable[[], bool]) -> None:
    """Until something holds, which must be soon."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_one_event_that_is_waited_for_costs_one_commit(aos: AgentOperatingSystem) -> None:
    await aos.process_event(event("first"))
    before = aos.engine.commits
    for number in range(10):
        assert await aos.process_event(event(f"{number}")) == number + 2
    assert aos.engine.commits - before == 10


async def test_many_events_of_one_agent_that_wait_together_cost_one_commit(aos: AgentOperatingSystem) -> None:
    blocking = asyncio.create_task(aos.process_event(event("blocks", "wait")))
    await begun("blocks")
    waiting = [asyncio.create_task(aos.process_event(event(f"{number}"))) for number in range(40)]
    await asyncio.sleep(0.01)
    before = aos.engine.commits
    Counter.gate.set()
    assert sorted(await asyncio.gather(blocking, *waiting)) == list(range(1, 42))
    assert aos.engine.commits - before == 2, "one for the event that ran, one for the forty behind it"


async def test_many_agents_share_commits(aos: AgentOperatingSystem) -> None:
    await aos.process_event(event("first"))
    before = aos.engine.commits
    await asyncio.gather(*(aos.process_event(event("1", agent=f"counter/{number}")) for number in range(64)))
    assert aos.engine.commits - before < 16


# --- what it keeps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10_000, MIB, 100 * MIB - 100], ids=["small", "1 MiB", "100 MiB"])
async def test_a_state_of_any_size_survives_a_restart_byte_for_byte(tmp_path: Path, size: int) -> None:
    config = AOSConfig(data_dir=tmp_path)
    async with AgentOperatingSystem(config) as first:
        await first.register_agent(Large)
        digest = await first.process_event(event("write", size, "large"))
        assert bool((await first.context_server("large").history()).items)
    async with AgentOperatingSystem(config) as second:
        await second.register_agent(Large)
        assert await second.process_event(event("read", None, "large")) == digest
        server = second.context_server("large")
        await server.initialize()
        assert bool(server.head.state_blob) == (size > config.inline_bytes_max)
    blobs = [path.name for path in (tmp_path / "blobs").glob("??/??/*")]
    assert blobs == ([server.head.state_blob] if server.head.state_blob else []), "it was written once"
    expected = random.Random(7).randbytes(size // 2).hex()
    assert digest == sha256(expected.encode()).hexdigest()


async def test_a_state_above_the_limit_is_refused_and_the_one_before_stays(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, state_bytes_max=100_000)) as aos:
        await aos.register_agent(Large)
        digest = await aos.process_event(event("fits", 90_000, "large"))
        with pytest.raises(EventFailed, match="state_bytes_max is 100000"):
            await aos.process_event(event("too large", 200_000, "large"))
        assert await aos.process_event(event("read", None, "large")) == digest


async def test_what_was_accepted_is_handled_after_a_restart(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path, drain_timeout_seconds=0)
    async with AgentOperatingSystem(config) as first:
        await first.register_agent(Counter)
        for number in range(20):
            await first.accept_event(event(f"{number}", "wait"))
        await begun("0")
    Counter.gate.set()
    async with AgentOperatingSystem(config) as second:
        await second.register_agent(Counter)
        assert await second.process_event(event("last")) == 21
        rows = (await second.context_server("counter").history(limit=100)).items
    assert {row.status for row in rows} == {Status.DONE}
    assert len(rows) == 21


async def test_control_survives_a_restart(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path)
    async with AgentOperatingSystem(config) as first:
        await first.register_agent(Counter)
        await first.process_event(event("1"))
        await first.lifecycle.control(AgentId("counter"), "pause", "over night")
    async with AgentOperatingSystem(config) as second:
        await second.register_agent(Counter)
        with pytest.raises(RequestTimedOut):
            await second.process_event(event("2"), timeout_seconds=0.03)
        await second.lifecycle.control(AgentId("counter"), "resume")
        assert await second.process_event(event("3")) == 3


# --- waiting for an outcome -------------------------------------------------------------------------------------------


async def test_who_waits_too_short_finds_the_outcome_later(aos: AgentOperatingSystem) -> None:
    with pytest.raises(RequestTimedOut, match="it is accepted and will be handled"):
        await aos.process_event(event("slow", "wait"), timeout_seconds=0.02)
    counter = AgentId("counter")
    assert await aos.mailroom.find(counter, "/test", "slow") == (None, True)
    Counter.gate.set()
    assert await aos.process_event(event("slow", "wait")) == 1, "asking again joins it"
    row, waits = await aos.mailroom.find(counter, "/test", "slow")
    assert (row is not None and row.status, waits) == (Status.DONE, False)


async def test_what_nobody_waits_for_any_more_is_durable(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path, drain_timeout_seconds=0)
    async with AgentOperatingSystem(config) as first:
        await first.register_agent(Counter)
        with pytest.raises(RequestTimedOut):
            await first.process_event(event("slow", "wait"), timeout_seconds=0.02)
        assert int(first.engine.read("SELECT count(*) FROM queue")[0][0]) == 1
    Counter.gate.set()
    async with AgentOperatingSystem(config) as second:
        await second.register_agent(Counter)
        assert await second.process_event(event("slow", "wait")) == 1


async def test_a_host_that_stops_lets_go_of_everybody_who_waits(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path, drain_timeout_seconds=0)
    aos = await AgentOperatingSystem(config).initialize()
    await aos.register_agent(Counter)
    waiting = [asyncio.create_task(aos.process_event(event(f"{number}", "wait"))) for number in range(5)]
    await begun("0")
    assert await aos.close() == 1
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in outcomes} == {RequestTimedOut}
    Counter.gate.set()
    async with AgentOperatingSystem(config) as second:
        await second.register_agent(Counter)
        assert await second.process_event(event("last")) == 6, "all five were kept"


async def test_a_host_that_stops_lets_turns_end(tmp_path: Path) -> None:
    aos = await AgentOperatingSystem(AOSConfig(data_dir=tmp_path, drain_timeout_seconds=10)).initialize()
    await aos.register_agent(Counter)
    waiting = asyncio.create_task(aos.process_event(event("1", "wait")))
    await begun("1")
    asyncio.get_running_loop().call_later(0.02, Counter.gate.set)
    assert await aos.close() == 0
    assert await waiting == 1
    assert await aos.close() == 0


async def test_a_failed_event_is_an_error(aos: AgentOperatingSystem) -> None:
    with pytest.raises(EventFailed, match="'1' is failed: terminal: no"):
        await aos.process_event(event("1", "refuse"))


# --- backpressure -----------------------------------------------------------------------------------------------------


async def test_too_much_waiting_is_refused_and_control_still_works(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path, max_pending_events=10, drain_timeout_seconds=0)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Counter)
        for number in range(10):
            await aos.accept_event(event(f"{number}", "wait"))
        for attempt in (aos.accept_event(event("10")), aos.process_event(event("11"), timeout_seconds=1)):
            with pytest.raises(Overloaded, match="max_pending_events is 10") as refused:
                await attempt
            assert refused.value.retry_after_seconds
        assert await aos.lifecycle.control(AgentId("counter"), "stop", "too much") == "stopped"
        Counter.gate.set()
        await aos.lifecycle.control(AgentId("counter"), "start")
        await until(lambda: not aos.bus.pending())
        assert await aos.context_server("counter").load_state() == {"count": 10}


async def test_so_many_turns_run_at_once_and_no_more(tmp_path: Path) -> None:
    class Busy(BaseAgent):
        now: ClassVar[int] = 0
        most: ClassVar[int] = 0

        async def on_event(self, event: Event, context: Context) -> Any:
            Busy.now += 1
            Busy.most = max(Busy.most, Busy.now)
            await asyncio.sleep(0.002)
            Busy.now -= 1

    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, max_concurrent_turns=5)) as aos:
        await aos.register_agent(Busy)
        await asyncio.gather(*(aos.process_event(event("1", agent=f"busy/{number}")) for number in range(40)))
    assert Busy.most == 5


# --- memory -----------------------------------------------------------------------------------------------------------


async def test_agents_that_sleep_are_forgotten_and_remembered(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, warm_agents_max=3)) as aos:
        await aos.register_agent(Counter)
        for turn in range(1, 4):
            for number in range(10):
                assert await aos.process_event(event(f"{turn}", agent=f"counter/{number}")) == turn
            assert len(aos.kernel.warm) == 3


# --- registration -----------------------------------------------------------------------------------------------------


async def test_an_object_is_one_agent(aos: AgentOperatingSystem) -> None:
    class Clerk(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            self.state["n"] = self.state.get("n", 0) + 1
            return [self.agent_id, self.state["n"]]

    clerk = Clerk("clerk")
    assert await aos.register_agent(clerk) == "clerk"
    assert await aos.process_event(event("1", agent="clerk")) == ["clerk", 1]
    with pytest.raises(AOSError):
        await aos.process_event(event("1", agent="clerk/other"))
    assert await aos.process_event(event("2", agent="clerk")) == ["clerk", 2]


async def test_a_module_brings_its_agents_and_routes(aos: AgentOperatingSystem) -> None:
    module = ModuleType("desk")

    class Desk(Counter):
        """An agent that the module defines."""

    Desk.__module__ = "desk"
    module.Desk, module.Counter = Desk, Counter  # type: ignore[attr-defined]  # what the module defines and imports
    module.routes = [Route(agent="desk", type="mail.#", key="{subject}")]  # type: ignore[attr-defined]
    assert await aos.register_app(module) == ["desk"]
    assert await aos.process_event({"type": "mail.came", "subject": "ann"}) == 1
    assert await aos.context_server("desk/ann").load_state() == {"count": 1}


async def test_a_deregistered_agent_is_a_tombstone(aos: AgentOperatingSystem) -> None:
    await aos.process_event(event("1"))
    await aos.message_bus.subscribe("news", "counter")
    await aos.deregister_agent("counter", reason="retired")
    assert aos.subscriptions.all("default") == []
    server = aos.context_server("counter")
    assert await server.load_state() == {"count": 1}
    assert (server.head.control, server.head.reason) == (Control.TERMINATED, "retired")
    await aos.deregister_agent("counter", delete=True)
    assert await server.load_state() is None


async def test_an_agent_registered_anew_forgets_what_was_warm(aos: AgentOperatingSystem) -> None:
    class Changing(BaseAgent):
        name = "changing"

        async def on_event(self, event: Event, context: Context) -> Any:
            return "old"

    class Changed(BaseAgent):
        name = "changing"

        async def on_event(self, event: Event, context: Context) -> Any:
            return "new"

    await aos.register_agent(Changing)
    assert await aos.process_event(event("1", agent="changing")) == "old"
    await aos.register_agent(Changed)
    assert await aos.process_event(event("2", agent="changing")) == "new"


# --- tenants ----------------------------------------------------------------------------------------------------------


async def test_a_system_works_in_its_tenant(tmp_path: Path) -> None:
    for tenant in ("north", "south"):
        async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, tenant=tenant)) as aos:
            await aos.register_agent(Counter)
            assert await aos.process_event({"type": "t", "id": "1", "agent": "counter"}) == 1
            assert [head.agent.tenant for head in (await aos.agents("counter")).items] == [tenant]
            assert await aos.send_agent_message("counter/a", "counter", {}) == 2


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "'type' is missing"),
        ({"type": "t", "colour": "red"}, "unknown field 'colour'"),
        ({"type": 5}, "Expected `str`"),
        ({"type": "t", "priority": "high"}, "Expected `int`"),
        ({"type": "t", "priority": 11}, "priority 11"),
        ({"type": "t", "id": ""}, "event id"),
        ({"type": "t", "due": "tomorrow"}, "Expected `float`"),
    ],
)
def test_a_dict_that_is_no_event_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidEvent, match=complaint):
        event_from(fields, "default")


async def test_a_system_that_was_not_initialized_says_so(tmp_path: Path) -> None:
    aos = AgentOperatingSystem(AOSConfig(data_dir=tmp_path))
    with pytest.raises(ConfigurationError, match="initialize"):
        await aos.process_event(event("1"))
    assert await aos.close() == 0


async def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path, bus="storage_queue")
    with pytest.raises(ConfigurationError, match="the store 'embedded' goes with embedded, servicebus"):
        await AgentOperatingSystem(config).initialize()


async def test_an_unknown_agent_is_refused(aos: AgentOperatingSystem) -> None:
    with pytest.raises(UnknownAgent, match="registered: counter, large"):
        await aos.process_event(event("1", agent="nobody"))


async def test_a_system_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text("{")
    with pytest.raises(ConfigurationError, match=r"rules\.json"):
        await AgentOperatingSystem(AOSConfig(data_dir=tmp_path, alerts_file=rules)).initialize()
    with pytest.raises(ConfigurationError, match="no store"):
        storage.default_store()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        assert aos.bus.pending() == 0
