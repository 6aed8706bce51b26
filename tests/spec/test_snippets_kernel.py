"""The specification's rows 3, 7, 9, 10, 12, 13 and 67 to 73: the system, its agents' lives, and the way of an event.

Each test names its row. Where a row prints code, the code is taken from the specification's text.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Retryable, Route
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.errors import AgentTerminated, EventFailed, IllegalTransition, UnknownAgent
from AgentOperatingSystem.events import event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.lifecycle import MOVES, STATES
from AgentOperatingSystem.storage.records import Change, Committed
from tests.spec.systems import Counter, Execute, TravellingClock, eventually, history_of, state_of, system

COUNTER = AgentId("counter")


# --- 3 Main system class --------------------------------------------------------------------------------------


async def test_row_3_the_snippet_runs_and_the_agents_result_comes_back(execute: Execute, tmp_path: Path) -> None:
    left = await execute(
        "orchestration_engine",
        config=AOSConfig(data_dir=tmp_path),
        agent=Counter(),
        event={"type": "counted", "agent": "counter", "id": "1", "data": "x"},
        after="result = await aos.process_event(event)\nawait aos.close()",
    )
    assert left["result"] == 1, "the same event again has the first one's result"
    async with system(tmp_path) as aos:
        assert await state_of(aos, "counter") == {"count": 1, "seen": ["x"]}


async def test_row_3_application_to_aos(execute: Execute, tmp_path: Path) -> None:
    before = "from AgentOperatingSystem import AgentOperatingSystem"
    left = await execute("application_to_aos", before=before, config=AOSConfig(data_dir=tmp_path))
    assert [head.agent for head in (await left["aos"].agents()).items] == []
    await left["aos"].close()


# --- 7 Agent states and deterministic transitions -------------------------------------------------------------


async def test_row_7_the_specifications_transitions_are_legal_moves(execute: Execute) -> None:
    left = await execute("state_machine")
    assert set(left["states"]) <= set(STATES)
    assert set(left["transitions"]) <= set(MOVES)


async def test_row_7_states_are_persisted_illegal_moves_raise_and_each_change_is_recorded(tmp_path: Path) -> None:
    during: list[str] = []

    class Self(BaseAgent):
        name = "counter"

        async def on_event(self, event: Event, context: Context) -> Any:
            during.append(await aos.lifecycle.state(COUNTER))
            self.state["count"] = 1

    async with system(tmp_path, Self) as aos:
        seen = [await aos.lifecycle.state(COUNTER)]
        await aos.context_server(COUNTER).remember("key", 1)
        seen.append(await aos.lifecycle.state(COUNTER))
        await aos.process_event(Event(type="t", agent=COUNTER))
        seen.append(await aos.lifecycle.state(COUNTER))
        seen.append(await aos.lifecycle.control(COUNTER, "stop", "for the test"))
    assert (seen, during) == (["created", "initialized", "sleeping", "stopped"], ["running"])
    async with system(tmp_path, Self) as aos:
        assert await aos.lifecycle.state(COUNTER) == "stopped"
        with pytest.raises(IllegalTransition, match="counter: no transition 'resume' from state 'stopped'"):
            await aos.lifecycle.control(COUNTER, "resume")
        await aos.lifecycle.control(COUNTER, "start")
        assert await aos.lifecycle.control(COUNTER, "terminate") == "terminated"
        with pytest.raises(AgentTerminated):
            await aos.lifecycle.control(COUNTER, "start")
        types = [row.event.type for row in await history_of(aos, "counter")]
    assert types == ["t", "aos.agent.stop", "aos.agent.start", "aos.agent.terminate"]


# --- 9 Start, stop, restart; 10 Pause, resume -----------------------------------------------------------------


@pytest.mark.parametrize(("halt", "go_on"), [("stop", "start"), ("pause", "resume")])
async def test_rows_9_and_10_a_halted_agent_receives_nothing_and_loses_nothing(
    tmp_path: Path, halt: str, go_on: str
) -> None:
    async with system(tmp_path, Counter) as aos:
        await aos.process_event(Event(type="t", agent=COUNTER, data="before"))
        first, second = [await aos.lifecycle.control(COUNTER, halt) for _ in range(2)]
        assert first == second == {"stop": "stopped", "pause": "paused"}[halt], "doing it twice is the same as once"
        for number in range(5):
            await aos.accept_event(Event(type="t", id=str(number), agent=COUNTER, data=number))
        await eventually(lambda: waiting(aos), 5)
        assert await state_of(aos, "counter") == {"count": 1, "seen": ["before"]}
    async with system(tmp_path, Counter) as aos:  # a restart in between: the state is rehydrated, the mailbox is kept
        assert await waiting(aos) == 5
        assert await aos.lifecycle.control(COUNTER, go_on) == await aos.lifecycle.control(COUNTER, go_on)
        await eventually(lambda: state_of(aos, "counter"), {"count": 6, "seen": ["before", 0, 1, 2, 3, 4]})
        assert await waiting(aos) == 0


async def waiting(aos: AgentOperatingSystem) -> int:
    return len(await aos.parts.store.parked(COUNTER, float("inf"), 100))


# --- 12 Termination -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delete", [False, True])
async def test_row_12_a_deregistered_agents_subscriptions_end_and_its_state_is_archived_or_deleted(
    tmp_path: Path, delete: bool
) -> None:
    async with system(tmp_path, Counter) as aos:
        await aos.message_bus.subscribe("news.#", "counter")
        await aos.message_bus.publish("news.today", "first")
        await eventually(lambda: state_of(aos, "counter"), {"count": 1, "seen": ["first"]})
        await aos.context_server("counter").remember("key", "value")
        await aos.deregister_agent("counter", delete=delete)
        assert aos.subscriptions.all("default") == []
        await aos.message_bus.publish("news.today", "second")
        with pytest.raises((AgentTerminated, EventFailed)):
            await aos.process_event(Event(type="t", agent=COUNTER))
        assert await state_of(aos, "counter") == (None if delete else {"count": 1, "seen": ["first"]})
        assert await aos.context_server("counter").recall("key") == (None if delete else "value")
        assert await aos.lifecycle.state(COUNTER) == "terminated"


# --- 13 Registration and discovery ----------------------------------------------------------------------------


class Ceo(Counter):
    """The agent that the specification's snippet makes."""

    capabilities = ("strategy", "budget")


async def test_row_13_the_snippet_registers_and_the_agent_responds(execute: Execute, tmp_path: Path) -> None:
    async with system(tmp_path) as aos:
        left = await execute("perpetual_process", PurposeDrivenAgent=lambda _: Ceo(), manager=aos.manager)
        assert left["agent"].context_server is not None
        assert await aos.process_event({"type": "decide", "agent": "ceo"}) == 1


async def test_row_13_agents_are_found_by_id_type_capability_and_state_after_a_restart(tmp_path: Path) -> None:
    async with system(tmp_path, Ceo, Counter) as aos:
        for agent in ("ceo/north", "ceo/south", "counter/1"):
            await aos.process_event({"type": "t", "agent": agent})
        await aos.lifecycle.control(AgentId("ceo", "south"), "pause")

    class Cfo(BaseAgent):
        capabilities = ("budget",)

    async with system(tmp_path, Ceo, Counter, Cfo) as aos:

        async def found(**wanted: Any) -> list[str]:
            return [str(each.agent) for each in (await aos.manager.find(**wanted)).items]

        assert await found() == ["ceo/north", "ceo/south", "counter/1", "cfo"]
        assert await found(agent="ceo/south") == ["ceo/south"]
        assert await found(agent="ceo/west") == []
        assert await found(type="ceo") == ["ceo/north", "ceo/south"]
        assert await found(capability="budget") == ["ceo/north", "ceo/south", "cfo"]
        assert await found(capability="strategy", state="paused") == ["ceo/south"]
        assert await found(state="created") == ["cfo"]
        first = await aos.manager.find(limit=2)
        rest = await aos.manager.find(after=first.after)
        assert [str(each.agent) for each in (*first.items, *rest.items)] == await found()
        with pytest.raises(UnknownAgent, match="no agent is registered as 'cto'; registered: ceo, cfo, counter"):
            await aos.process_event({"type": "t", "agent": "cto"})


# --- 67 to 70 The way of an event, from each trigger ----------------------------------------------------------


class Publisher(BaseAgent):
    """Does its steps of the flow and says when."""

    steps: list[str]

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "schedule":
            await context.schedule("timer", after_seconds=0.01, type="work", data=event.data)
            return None
        self.steps.append("process")
        self.state["done"] = event.data
        await context.publish("work.done", event.data)
        return f"done: {event.data}"


class Listener(BaseAgent):
    subscriptions = ("work.done",)
    steps: list[str]

    async def on_event(self, event: Event, context: Context) -> Any:
        self.steps.append("published")


FLOW = {
    "Event arrives (HTTP, Service Bus, Timer)": "arrive",
    "Azure Functions receives event": "receive",
    "AOS initialized/retrieved": "retrieve",
    "Event routed to appropriate agent(s)": "route",
    "Agent(s) process event (async)": "process",
    "State persisted (ContextMCPServer)": "persist",
    "Result returned/published": "publish",
    "Agent returns to sleep state": "sleep",
}
"""The specification's eight steps, and what stands for them in the test."""


def test_row_67_the_eight_steps_are_those_of_the_specification() -> None:
    text = (Path(__file__).parent / "snippets/event_processing_flow.txt").read_text()
    assert re.findall(r"^\d\. (.*)$", text, re.MULTILINE) == list(FLOW)


class Recorder:
    """Notes the steps that it is asked for, in order, by standing in front of the real thing."""

    def __init__(self, aos: AgentOperatingSystem, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.aos = aos
        Publisher.steps = Listener.steps = self.steps
        admit, commit, deliver = aos.mailroom.admit, aos.parts.store.commit, aos.kernel.deliver

        def route(event: Event) -> Event:
            routed = admit(event)
            self.note("route", routed.agent)
            return routed

        async def persist(change: Change) -> Committed:
            committed = await commit(change)
            if any(row.event.type == "work" for row in (*change.inserts, *change.updates)):
                self.note("persist", change.head.agent)
            return committed

        async def receive(turn: Any) -> None:
            if any(message.event is None or message.event.type == "work" for message in turn.messages):
                self.note("receive", turn.agent)
            await deliver(turn)

        monkeypatch.setattr(aos.mailroom, "admit", route)
        monkeypatch.setattr(aos.parts.store, "commit", persist)
        monkeypatch.setattr(aos.kernel, "deliver", receive)

    def note(self, step: str, agent: AgentId | None) -> None:
        if agent == AgentId("publisher"):
            self.steps.append(step)

    def __getattr__(self, name: str) -> Any:
        """The door retrieves the running system when it needs its mailroom."""
        if name == "mailroom":
            self.steps.append("retrieve")
        return getattr(self.aos, name)

    async def until_asleep(self) -> list[str]:
        await eventually(lambda: self._seen("published"), True)
        await eventually(lambda: self.aos.lifecycle.state(AgentId("publisher")), "sleeping")
        return [*self.steps, "sleep"]

    async def _seen(self, step: str) -> bool:
        return step in self.steps


ROUTES = [Route(type="work", agent="publisher")]


async def test_rows_67_and_68_the_eight_steps_from_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path), routes=ROUTES) as aos:
        await aos.register_agent(Publisher)
        await aos.register_agent(Listener)
        aos.start()
        recorder = Recorder(aos, monkeypatch)
        app = create_app(recorder, token="a token for the test")  # type: ignore[arg-type]  # it is the system, noted

        async def host(scope: Any, receive: Any, send: Any) -> None:
            recorder.steps.append("host")
            await app(scope, receive, send)

        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(host),
            base_url="http://localhost",
            headers={"Authorization": "Bearer a token for the test"},
        )
        recorder.steps.append("arrive")
        answer = await client.post("/api/v1/events?wait=10", json={"type": "work", "data": "x", "id": "1"})
        steps = await recorder.until_asleep()
        assert (answer.status_code, answer.json()["result"]) == (200, "done: x")
        first = [step for place, step in enumerate(steps) if step not in steps[:place]]
        assert first == ["arrive", "host", "retrieve", "route", "receive", "process", "persist", "published", "sleep"]
        later = await client.post("/api/v1/events", json={"type": "work", "data": "y", "id": "2"})
        assert (later.status_code, later.json()["id"], later.json()["agent"]) == (202, "2", "publisher")
        assert later.headers["Location"] == later.json()["outcome"]
        await client.aclose()


@pytest.mark.parametrize("trigger", ["timer", "bus"])
async def test_rows_67_69_and_70_the_steps_from_a_timer_and_from_the_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trigger: str
) -> None:
    """Their message is addressed already, so what is left to see are the steps from the host on."""
    async with system(tmp_path, Publisher, Listener) as aos:
        recorder = Recorder(aos, monkeypatch)
        recorder.steps.append("arrive")
        if trigger == "timer":
            await aos.process_event({"type": "schedule", "agent": "publisher", "data": "x"})
        else:
            event = Event(type="work", id="1", agent=AgentId("publisher"), data="x")
            await aos.parts.bus.send([event_message(event)])
        steps = await recorder.until_asleep()
        flow = [step for step in steps if step not in ("route", "arrive")]
        assert flow[-5:] == ["receive", "process", "persist", "published", "sleep"]
        assert await state_of(aos, "publisher") == {"done": "x"}


async def test_row_69_a_second_delivery_has_no_second_effect(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        message = event_message(Event(type="t", id="1", agent=COUNTER, data="x"))
        await aos.parts.bus.send([message])
        await eventually(lambda: state_of(aos, "counter"), {"count": 1, "seen": ["x"]})
        await aos.parts.bus.send([message])
        await aos.process_event(Event(type="t", id="2", agent=COUNTER, data="y"))
        assert await state_of(aos, "counter") == {"count": 2, "seen": ["x", "y"]}


async def test_row_69_a_message_is_settled_only_when_the_state_is_saved(tmp_path: Path) -> None:
    kept: list[int] = []

    class Looks(Counter):
        name = "counter"

        async def on_event(self, event: Event, context: Context) -> Any:
            kept.append(queued(aos))
            return await super().on_event(event, context)

    async with system(tmp_path, Looks) as aos:
        await aos.accept_event(Event(type="t", agent=COUNTER))
        await eventually(lambda: history_length(aos), 1)
        assert (kept, queued(aos)) == ([1], 0)


def queued(aos: AgentOperatingSystem) -> int:
    count: int = aos.engine.read("SELECT count(*) FROM queue")[0][0]
    return count


async def history_length(aos: AgentOperatingSystem) -> int:
    return len(await history_of(aos, "counter"))


@pytest.mark.parametrize(("missed", "ticks"), [("once", 1), ("all", 3), ("skip", 0)])
async def test_row_70_missed_ticks_are_handled_as_declared_and_none_twice(
    tmp_path: Path, missed: str, ticks: int
) -> None:
    class Hourly(Counter):
        name = "counter"

        async def on_event(self, event: Event, context: Context) -> Any:
            if event.type == "begin":
                return await context.schedule("hourly", cron="0 * * * *", missed=missed, type="tick")
            return await super().on_event(event, context)

    clock = TravellingClock()
    async with system(tmp_path, Hourly, clock=clock) as aos:
        await aos.process_event(Event(type="begin", agent=COUNTER))
    clock.travel(3 * 3600)
    for _ in range(2):  # the second start finds nothing to make up for
        async with system(tmp_path, Hourly, clock=clock) as aos:
            await aos.process_event(Event(type="other", agent=COUNTER))
            await eventually(lambda: tick_count(aos), ticks)


async def tick_count(aos: AgentOperatingSystem) -> int:
    return sum(row.event.type == "tick" for row in await history_of(aos, "counter"))


# --- 71 handle_event, 72 wake and sleep, 73 results -----------------------------------------------------------


async def own_handle_event(execute: Execute) -> Callable[..., Any]:
    """The method that the specification prints."""
    left = await execute("event_driven")
    method: Callable[..., Any] = left["handle_event"]
    return method


async def test_row_71_the_printed_method_handles_events(execute: Execute, tmp_path: Path) -> None:
    class Printed(BaseAgent):
        async def process(self, event: Event) -> Any:
            self.state["last"] = event.data
            if event.data == "wrong":
                raise Retryable("not now", after_seconds=60)
            return f"processed {event.data}"

    Printed.handle_event = await own_handle_event(execute)  # type: ignore[method-assign]  # what the row is about
    async with system(tmp_path, Printed) as aos:
        assert await aos.process_event({"type": "t", "agent": "printed", "data": 1}) == "processed 1"
        await aos.accept_event({"type": "t", "agent": "printed", "id": "w", "data": "wrong"})
        await eventually(lambda: parked_reason(aos), "retryable: not now")
        assert await state_of(aos, "printed") == {"last": 1}, "an exception leaves the old state"


async def parked_reason(aos: AgentOperatingSystem) -> str:
    rows = await aos.parts.store.parked(AgentId("printed"), float("inf"), 1)
    return rows[0].reason if rows else ""


async def test_row_71_the_state_is_saved_even_where_a_subscriber_fails(tmp_path: Path) -> None:
    class Fails(BaseAgent):
        subscriptions = ("work.done",)

        async def on_event(self, event: Event, context: Context) -> Any:
            raise RuntimeError("I cannot hear this")

    Publisher.steps = []
    async with system(tmp_path, Publisher, Fails, attempts_max=1) as aos:
        assert await aos.process_event({"type": "work", "agent": "publisher", "data": "x"}) == "done: x"
        assert await state_of(aos, "publisher") == {"done": "x"}
        await eventually(lambda: quarantined(aos), ["RuntimeError: I cannot hear this (attempt 1 of 1)"])


async def quarantined(aos: AgentOperatingSystem) -> list[str]:
    return [row.reason for row in (await aos.quarantine.list("default")).items]


async def test_row_72_running_while_it_handles_sleeping_before_and_after(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class Slow(BaseAgent):
        name = "counter"

        async def on_event(self, event: Event, context: Context) -> Any:
            began.set()
            await go_on.wait()

    woken = metrics.value("agent.wake.duration")
    async with system(tmp_path, Slow) as aos:
        handling = asyncio.create_task(aos.process_event(Event(type="t", agent=COUNTER)))
        await began.wait()
        assert await aos.lifecycle.state(COUNTER) == "running"
        go_on.set()
        await handling
        assert await aos.lifecycle.state(COUNTER) == "sleeping"
    assert metrics.value("agent.wake.duration") == woken + 1
    assert "agent_wake_duration_sum" in metrics.prometheus_text()


async def test_row_73_the_result_is_published_once_with_its_correlation(tmp_path: Path) -> None:
    class Heard(BaseAgent):
        subscriptions = ("work.done",)

        async def on_event(self, event: Event, context: Context) -> Any:
            self.state.setdefault("heard", []).append([event.correlation, event.data])

    Publisher.steps = []
    async with system(tmp_path, Publisher, Heard) as aos:
        event = Event(type="work", id="1", agent=AgentId("publisher"), data="x", correlation="order-7")
        for _ in range(3):
            assert await aos.process_event(event) == "done: x"
        await eventually(lambda: state_of(aos, "heard"), {"heard": [["order-7", "x"]]})
        assert aos.engine.read("SELECT topic, count(*) FROM publications GROUP BY topic") == [("work.done", 1)]
