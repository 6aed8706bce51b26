"""The specification's rows 78 to 91: publish and subscribe, agent to agent, conversations, requests, priorities.

Each test names its row. Where a row prints code, the code is taken from the specification's text.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem import AgentOperatingSystem, BaseAgent, Context, Event, Retryable
from AgentOperatingSystem.errors import EventFailed, InvalidEvent, InvalidHandler, RequestTimedOut, UnknownAgent
from AgentOperatingSystem.events import matches
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.cloudevents import STRUCTURED, from_http, to_structured
from tests.servicebus_bus import mailboxes
from tests.spec.systems import Counter, Execute, eventually, history_of, state_of, system

CHILD = Path(__file__).with_name("child.py")
heard: list[Any] = []


async def my_handler(message: Any) -> None:
    """The specification's name for a subscriber."""
    if message == "wrong":
        raise Retryable("I do not understand", after_seconds=0.01)
    heard.append(message)


async def what_was_heard() -> list[Any]:
    return heard


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    heard.clear()


# --- 78 Publish, 79 Subscribe, 80 Agent-to-agent send -----------------------------------------------------------


async def the_snippet_runs(aos: AgentOperatingSystem, execute: Execute) -> None:
    await aos.message_bus.subscribe(topic="agent.events", handler=my_handler)  # the snippet publishes first
    await execute(
        "message_bus",
        before="message_bus, send_agent_message, my_handler = aos.message_bus, aos.send_agent_message, handler\n"
        "from_agent, to_agent, message, data = 'ceo', 'counter/1', 'hello', {'n': 1}",
        aos=aos,
        handler=my_handler,
    )
    await eventually(what_was_heard, [{"n": 1}])
    assert await state_of(aos, "counter/1") == {"count": 1, "seen": ["hello"]}
    assert [row.event.source for row in await history_of(aos, "counter/1")] == ["/agents/ceo"]
    assert await aos.send_agent_message("ceo", "counter/1", "again") == 2, "the sender gets the response"


async def test_rows_78_79_and_80_the_snippet_runs(execute: Execute, tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        await the_snippet_runs(aos, execute)


async def test_rows_78_79_80_and_401_the_snippet_runs_on_service_bus(execute: Execute, tmp_path: Path) -> None:
    broker = LocalServiceBus(mailboxes(), now_seconds=time.time)
    await broker.start()
    async with system(tmp_path, Counter, servicebus_connection_string=broker.connection_string()) as aos:
        await the_snippet_runs(aos, execute)
    await broker.stop()


async def test_rows_78_and_79_the_other_call_form(execute: Execute, tmp_path: Path) -> None:
    class Worker:
        async def process_task(self, message: Any) -> None:
            heard.append(message)

    async with system(tmp_path) as aos:
        names = {"message_bus": aos.message_bus, "task_data": {"task": 1}, "self": Worker()}
        left = await execute("agent_to_agent", **names)
        await aos.message_bus.subscribe("task.created", left["handle_task"])
        await execute("agent_to_agent", **names)
        await eventually(what_was_heard, [{"task": 1}])


async def test_row_79_a_failing_handler_is_retried_then_quarantined_and_unsubscribing_ends_it(tmp_path: Path) -> None:
    async with system(tmp_path, attempts_max=2) as aos:
        await aos.message_bus.subscribe("agent.events", my_handler)
        await aos.message_bus.publish("agent.events", "wrong")
        await eventually(lambda: quarantined(aos), ["retryable: I do not understand (attempt 2 of 2)"])
        await aos.message_bus.unsubscribe("agent.events", my_handler)
        await aos.message_bus.publish("agent.events", "nobody hears this")
        assert aos.bus.pending() == 0
        assert heard == []
        with pytest.raises(InvalidHandler, match="cannot be found again after a restart"):
            await aos.message_bus.subscribe("agent.events", lambda message: None)


async def quarantined(aos: AgentOperatingSystem) -> list[str]:
    return [row.reason for row in (await aos.quarantine.list("default")).items]


# --- 81 Topic-based routing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        ("a.b", {"a.b"}),
        ("a.*", {"a.b", "a.c"}),
        ("*.b", {"a.b"}),
        ("a.#", {"a", "a.b", "a.c", "a.b.c"}),
        ("#", {"a", "a.b", "a.c", "a.b.c", "x"}),
        ("a.*.c", {"a.b.c"}),
        ("a.b*", {"a.b"}),
    ],
)
async def test_row_81_topics_are_hierarchical_and_patterns_have_wildcards(
    tmp_path: Path, pattern: str, topics: set[str]
) -> None:
    async with system(tmp_path, Counter) as aos:
        await aos.message_bus.subscribe(pattern, "counter")
        for topic in ("a", "a.b", "a.c", "a.b.c", "x"):
            await aos.message_bus.publish(topic, topic)
            assert matches(pattern, topic) == (topic in topics)
        await eventually(lambda: topics_of(aos), topics)


async def topics_of(aos: AgentOperatingSystem) -> set[str]:
    state = await state_of(aos, "counter")
    return set(state["seen"]) if state else set()


# --- 82 Delivery guarantees --------------------------------------------------------------------------------------


def child(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that handles events until it is done or killed."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(CHILD), str(folder), *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
async def test_row_82_a_message_whose_consumer_is_killed_is_handled_by_the_next_one(tmp_path: Path) -> None:
    killed = child(tmp_path, "accept", "die-once")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert child(tmp_path, "wait", "die-once").returncode == 0
    async with system(tmp_path, Counter) as aos:
        assert await state_of(aos, "counter") == {"count": 1, "seen": ["die-once"]}
        (row,) = await history_of(aos, "counter")
        assert (row.status.value, row.event.crashes) == ("done", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
async def test_row_82_a_message_that_kills_every_consumer_becomes_a_dead_letter(tmp_path: Path) -> None:
    assert child(tmp_path, "accept", "die").returncode == -signal.SIGKILL
    for _ in range(2):
        assert child(tmp_path, "wait", "die").returncode == -signal.SIGKILL
    assert child(tmp_path, "wait", "die").returncode == 0
    async with system(tmp_path, Counter) as aos:
        assert await quarantined(aos) == ["3 hosts died while they handled it"]


# --- 83 Conversation management ----------------------------------------------------------------------------------


class Clerk(BaseAgent):
    """Hands what it hears on to the archive."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await context.send("archive", f"filed: {event.data}")


class Archive(Counter):
    pass


async def test_row_83_messages_share_a_conversation_whose_history_survives_a_restart(tmp_path: Path) -> None:
    async with system(tmp_path, Clerk, Archive) as aos:
        for conversation, text in (("a", "one"), ("b", "two"), ("a", "three")):
            await aos.message_bus.send("clerk", text, conversation=conversation)
        await eventually(lambda: archived(aos), 3)
    async with system(tmp_path, Clerk, Archive) as aos:
        rows = [*await history_of(aos, "clerk"), *await history_of(aos, "archive")]
        said = {name: {row.event.data for row in rows if row.event.conversation == name} for name in ("a", "b")}
        assert said == {"a": {"one", "three", "filed: one", "filed: three"}, "b": {"two", "filed: two"}}


async def archived(aos: AgentOperatingSystem) -> int:
    state = await state_of(aos, "archive")
    return state["count"] if state else 0


# --- 84 Point-to-point, 85 Broadcast, 86 Publish-subscribe -------------------------------------------------------


async def test_row_84_only_the_addressee_receives(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        assert await aos.message_bus.request("counter/ada", "hello") == 1
        assert [str(head.agent) for head in (await aos.agents("counter/")).items] == ["counter/ada"]
        with pytest.raises(UnknownAgent):
            await aos.message_bus.send("counted", "hello")


class Member(Counter):
    groups = ("board",)

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "speak":
            await context.broadcast("board", event.data)
            return None
        return await super().on_event(event, context)


class Chair(Member):
    pass


async def test_row_85_every_member_but_the_sender_gets_one_copy(tmp_path: Path) -> None:
    async with system(tmp_path, Member, Chair, Counter) as aos:
        await aos.message_bus.join("board", "counter/guest")
        await aos.message_bus.join("board", "counter/guest")
        await aos.process_event({"type": "speak", "agent": "chair", "data": "welcome"})
        for agent in ("member", "counter/guest"):
            await eventually(lambda agent=agent: state_of(aos, agent), {"count": 1, "seen": ["welcome"]})  # type: ignore[misc]  # a default argument
        await aos.message_bus.broadcast("board", "lunch", sender="member")
        await eventually(lambda: state_of(aos, "chair"), {"count": 1, "seen": ["lunch"]})
        assert await state_of(aos, "member") == {"count": 1, "seen": ["welcome"]}


async def test_row_86_a_subscription_is_heard_in_another_process(tmp_path: Path) -> None:
    subscribed = child(tmp_path, "subscribe")
    assert (subscribed.returncode, subscribed.stderr) == (0, "")
    published = child(tmp_path, "publish", "across processes")
    assert (published.returncode, published.stdout) == (0, "heard across processes\n"), published.stderr


# --- 87 Request-response, 88 Priority, 89 Format, 90 Asynchronous ------------------------------------------------


class Oracle(BaseAgent):
    """Answers at once, never, or badly; and asks itself."""

    answers: ClassVar[list[tuple[str, str, Any]]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        match event.type:
            case "ask":
                return await context.request("oracle/other", event.data, timeout_seconds=0.2)
            case "aos.reply" | "aos.request.timed_out":
                self.answers.append((event.type, event.correlation, event.data))
                return None
        if event.data == "silence":
            await asyncio.sleep(30)
        if event.data == "evil":
            raise InvalidEvent("not to be asked")
        return f"{event.data}!"


async def test_row_87_a_request_returns_the_reply_or_a_timeout_error(tmp_path: Path) -> None:
    async with system(tmp_path, Oracle, drain_timeout_seconds=0) as aos:
        assert await aos.message_bus.request("oracle", "hello", timeout_seconds=10) == "hello!"
        (row,) = await history_of(aos, "oracle")
        assert row.event.correlation
        with pytest.raises(RequestTimedOut, match=r"did not end within 0\.1 s; it is accepted and will be handled"):
            await aos.message_bus.request("oracle/b", "silence", timeout_seconds=0.1)
        with pytest.raises(EventFailed, match="is quarantined: InvalidEvent: not to be asked"):
            await aos.message_bus.request("oracle/c", "evil", timeout_seconds=10)
        waiting = asyncio.create_task(aos.message_bus.request("oracle/d", "silence", timeout_seconds=100))
        endless = asyncio.create_task(aos.process_event({"type": "t", "agent": "oracle/e", "data": "silence"}))
        await asyncio.sleep(0.1)
    for request, why in ((waiting, "within 100 s"), (endless, "before the host stopped")):
        with pytest.raises(RequestTimedOut, match=f"did not end {why}"):
            await request


@pytest.mark.parametrize("data", ["hello", "silence"])
async def test_row_87_between_agents_exactly_one_answer_comes_with_the_correlation(tmp_path: Path, data: str) -> None:
    Oracle.answers.clear()
    async with system(tmp_path, Oracle, drain_timeout_seconds=0) as aos:
        correlation = await aos.process_event({"type": "ask", "agent": "oracle", "data": data})
        wanted: tuple[str, str, Any] = ("aos.reply", correlation, "hello!")
        if data == "silence":
            wanted = ("aos.request.timed_out", correlation, {"type": "aos.request", "to": "oracle/other"})
        await eventually(answers, [wanted])


async def answers() -> list[tuple[str, str, Any]]:
    return Oracle.answers


async def test_row_88_high_priority_overtakes_and_order_inside_a_priority_is_kept(tmp_path: Path) -> None:
    async with system(tmp_path, Counter) as aos:
        counter = AgentId("counter")
        await aos.lifecycle.control(counter, "pause")
        for data, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 9), ("e", 5)):
            await aos.message_bus.send(counter, data, priority=priority)
        await eventually(lambda: parked(aos), 5)
        await aos.lifecycle.control(counter, "resume")
        await eventually(lambda: state_of(aos, "counter"), {"count": 5, "seen": ["d", "b", "e", "a", "c"]})


async def parked(aos: AgentOperatingSystem) -> int:
    return len(await aos.parts.store.parked(AgentId("counter"), float("inf"), 100))


def test_row_89_one_versioned_validated_envelope() -> None:
    event = Event(
        id="1", type="order.created", source="/shop", agent=AgentId("ceo"), correlation="c", time=1.5, data={"n": 1}
    )
    envelope = json.loads(to_structured(event))
    assert envelope == {
        "specversion": "1.0",
        "id": "1",
        "type": "order.created",
        "source": "/shop",
        "aosagent": "ceo",
        "aoscorrelation": "c",
        "time": "1970-01-01T00:00:01.500000Z",
        "datacontenttype": "application/json",
        "data": {"n": 1},
    }
    for wrong in ({"specversion": "2.0"}, {"id": ""}, {"type": 1}, {"time": "noon"}, {"aosagent": "no body"}):
        with pytest.raises(InvalidEvent):
            from_http({"content-type": STRUCTURED}, json.dumps(envelope | wrong).encode())


async def test_row_90_send_returns_before_handling(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    class Slow(Counter):
        name = "counter"

        async def on_event(self, event: Event, context: Context) -> Any:
            await go_on.wait()
            return await super().on_event(event, context)

    async with system(tmp_path, Slow) as aos:
        await asyncio.wait_for(aos.message_bus.send("counter", "x"), 10)
        assert await state_of(aos, "counter") is None
        go_on.set()
        await eventually(lambda: state_of(aos, "counter"), {"count": 1, "seen": ["x"]})


# --- 91 Inter-agent flow with state around it ----------------------------------------------------------------------


class AgentB(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["asked"] = [*self.state.get("asked", []), event.data]
        return f"response to {event.data}"


class AgentA(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "begin":
            self.state["question"] = event.data
            await context.request("agent_b", event.data)
        else:
            self.state["answer"] = event.data


async def test_row_91_both_agents_states_after_one_exchange(tmp_path: Path) -> None:
    """A saves, the bus routes, B loads, processes and responds, both have updated their state; also after a restart."""
    flow = (Path(__file__).parent / "snippets/inter_agent_communication_flow.txt").read_text()
    assert "Agent A → Message Bus → Agent B" in flow
    async with system(tmp_path, AgentA, AgentB) as aos:
        await aos.process_event({"type": "begin", "agent": "agent_a", "data": "question 1"})
        assert (await state_of(aos, "agent_a"))["question"] == "question 1", "A's state is saved before B answers"
        await eventually(
            lambda: state_of(aos, "agent_a"), {"question": "question 1", "answer": "response to question 1"}
        )
    async with system(tmp_path, AgentA, AgentB) as aos:
        assert await state_of(aos, "agent_b") == {"asked": ["question 1"]}
        await aos.process_event({"type": "begin", "agent": "agent_a", "data": "question 2"})
        await eventually(
            lambda: state_of(aos, "agent_a"), {"question": "question 2", "answer": "response to question 2"}
        )
        assert await state_of(aos, "agent_b") == {"asked": ["question 1", "question 2"]}
