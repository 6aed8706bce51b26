"""Steps of plain handlers: recorded when they end, read back when the event is tried again, waiting for free."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import RequestTimedOut, Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.records import Status
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from tests.systems import System, event, result_of, running

pytestmark = pytest.mark.virtual_time
calls: list[str] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()
    Stepper.fails = 0


def work(name: str) -> str:
    calls.append(name)
    return f"{name} done"


class Stepper(BaseAgent):
    """Makes three steps and fails as often as it is told to."""

    fails = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        done = [await context.step("work", work, name) for name in ("a", "b", "a")]
        self.state["events"] = [*self.state.get("events", []), event.id]
        if Stepper.fails:
            Stepper.fails -= 1
            raise Retryable("again")
        return {"done": done, "now": context.now()}


async def test_each_step_is_made_once_though_its_event_is_tried_again() -> None:
    system = await running(Stepper)
    Stepper.fails = 2
    row = await system.handle("stepper", "1")
    assert result_of(row)["done"] == ["a done", "b done", "a done"]
    assert calls == ["a", "b", "a"]  # the same call twice is two steps
    assert (row.attempts, row.claims) == (3, 3)


async def test_time_is_that_of_the_first_claim() -> None:
    system = await running(Stepper)
    Stepper.fails = 1
    row = await system.handle("stepper", "1")
    assert result_of(row)["now"] == row.began_at < row.finished_at


async def test_an_event_without_steps_is_never_claimed() -> None:
    class Plain(BaseAgent):
        async def process(self, event: Event) -> int:
            return 1

    system = await running(Plain)
    assert (await system.handle("plain")).claims == 0


class Slow(BaseAgent):
    gate: asyncio.Event

    async def on_event(self, event: Event, context: Context) -> Any:
        await context.step("first", work, "first")
        await Slow.gate.wait()
        return await context.step("second", work, "second")


async def test_a_host_that_dies_between_steps_leaves_them_to_the_next() -> None:
    Slow.gate = asyncio.Event()
    first = await running(Slow)
    await first.send("slow", "1")
    await until(lambda: calls == ["first"])
    row = await first.row("slow", "1")
    assert (row.status, row.claimed_at > 0) == (Status.PARKED, True)
    await first.crash()
    Slow.gate.set()
    second = await running(Slow, world=first.world)
    assert result_of(await second.handle("slow", "1")) == "second done"
    assert calls == ["first", "second"]
    assert (await second.row("slow", "1")).attempts == 1


async def test_a_host_that_was_overtaken_stops_at_its_next_step() -> None:
    Slow.gate = asyncio.Event()
    first = await running(Slow)
    await first.send("slow", "1")
    await until(lambda: calls == ["first"])
    server = await first.kernel.awaken_fresh(AgentId("slow"))
    await server.remember("other", 1)  # another writer moves the head
    Slow.gate.set()
    assert result_of(await first.handle("slow", "1")) == "second done"
    assert calls == ["first", "second"] or calls == ["first", "second", "second"]


async def until(there: Any) -> None:
    for _ in range(1000):
        if there():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


# --- several events in one turn -------------------------------------------------------------------------------


async def test_events_of_one_turn_are_claimed_one_after_the_other() -> None:
    system = System(Stepper)
    await system.send_together(*(event("stepper", str(number)) for number in range(5)))
    system.pump.start()
    await until_done(system, "stepper", 5)
    assert (await system.state("stepper"))["events"] == ["0", "1", "2", "3", "4"]
    assert len(calls) == 15


async def until_done(system: System, agent: str, count: int) -> None:
    for _ in range(10_000):
        if list((await system.statuses(agent)).values()).count("done") == count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await system.statuses(agent))


# --- models ---------------------------------------------------------------------------------------------------


class Thinker(BaseAgent):
    model: ScriptedModel
    fails = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        answer = await context.think("What now?", model=Thinker.model)
        if Thinker.fails:
            Thinker.fails -= 1
            raise Retryable
        return answer.text


async def test_a_model_is_paid_once() -> None:
    Thinker.model, Thinker.fails = ScriptedModel(["first", "second"]), 3
    system = await running(Thinker)
    assert result_of(await system.handle("thinker")) == "first"
    assert len(Thinker.model.requests) == 1


# --- effects --------------------------------------------------------------------------------------------------


class Refunder(BaseAgent):
    tool: FunctionTool

    async def on_event(self, event: Event, context: Context) -> Any:
        result = await context.call(Refunder.tool, order=event.data)
        return result.content


async def test_a_call_of_unknown_outcome_is_never_made_again() -> None:
    gate = asyncio.Event()

    @tool(timeout_seconds=10)
    async def refund(order: str) -> str:
        calls.append(order)
        await gate.wait()
        return "refunded"

    Refunder.tool = refund
    first = await running(Refunder)
    await first.send("refunder", "1", data="o-1")
    await until(lambda: calls == ["o-1"])
    await first.crash()
    gate.set()
    second = await running(Refunder, world=first.world)
    row = await second.handle("refunder", "1", data="o-1")
    assert (row.status, calls) == (Status.IN_DOUBT, ["o-1"])
    assert "refund" in row.reason


async def test_a_call_that_outlives_its_deadline_is_in_doubt() -> None:
    @tool(timeout_seconds=10)
    async def refund(order: str) -> str:
        calls.append(order)
        await asyncio.Event().wait()
        return "never"

    Refunder.tool = refund
    system = await running(Refunder)
    row = await system.handle("refunder", "1", data="o-1")
    assert (row.status, calls) == (Status.IN_DOUBT, ["o-1"])


@pytest.mark.parametrize("happened", [True, False])
async def test_a_verify_hook_decides(happened: bool) -> None:
    keys: list[str] = []
    slow = [True]

    async def verify(idempotency_key: str, order: str) -> str | None:
        keys.append(idempotency_key)
        return f"refunded {order}" if happened else None

    @tool(effect="verify", verify=verify, timeout_seconds=10)
    async def refund(order: str, idempotency_key: str) -> str:
        calls.append(idempotency_key)
        if slow:
            slow.clear()
            await asyncio.Event().wait()
        return "refunded again"

    Refunder.tool = refund
    system = await running(Refunder)
    row = await system.handle("refunder", "1", data="o-1")
    assert result_of(row) == ("refunded o-1" if happened else "refunded again")
    assert len(calls) == (1 if happened else 2)
    assert set(calls) == set(keys)


@tool
async def charge(name: str) -> str:
    return work(name)


async def test_another_effect_than_the_recorded_one_diverges() -> None:
    class Fickle(BaseAgent):
        tries = 0

        async def on_event(self, event: Event, context: Context) -> Any:
            Fickle.tries += 1
            await context.call(charge, name=f"try {Fickle.tries}")
            raise Retryable

    system = await running(Fickle)
    row = await system.handle("fickle")
    assert (row.status, calls) == (Status.DIVERGED, ["try 1"])


# --- waiting --------------------------------------------------------------------------------------------------


class Asker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        await context.step("before", work, "before")
        await context.send("listener", "sent at the end, once")
        answer = await context.ask("answerer", event.data, timeout_seconds=3600)
        await context.step("after", work, "after")
        return answer


class Answerer(BaseAgent):
    async def process(self, event: Event) -> Any:
        return {"heard": event.data}


class Listener(BaseAgent):
    async def process(self, event: Event) -> Any:
        self.state["heard"] = self.state.get("heard", 0) + 1


async def test_an_answer_goes_on_with_the_steps_that_were_made() -> None:
    system = await running(Asker, Answerer, Listener)
    row = await system.handle("asker", "1", data="?")
    assert result_of(row) == {"heard": "?"}
    assert calls == ["before", "after"]
    assert len(await system.rows("answerer")) == 1
    await until_done(system, "listener", 1)


class Deaf(BaseAgent):
    name = "answerer"

    async def on_event(self, event: Event, context: Context) -> Any:
        raise Retryable(after_seconds=1e6)


async def test_an_answer_that_does_not_come_in_time() -> None:
    class Patient(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            try:
                return await context.ask("answerer", 1, timeout_seconds=60)
            except RequestTimedOut as error:
                return str(error)

    system = await running(Patient, Deaf)
    row = await system.handle("patient", "1")
    assert result_of(row) == "answerer: no answer within 60 s"


async def test_several_answers_are_waited_for_at_once() -> None:
    class Both(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            return await asyncio.gather(*(context.ask(f"echo/{name}", name) for name in "abc"))

    class Echo(BaseAgent):
        async def process(self, event: Event) -> Any:
            return event.data

    system = await running(Both, Echo)
    await system.send("both", "1")
    await until_waiting(system, "both")
    row = await system.row("both", "1")
    assert len(row.waits) == 3
    assert result_of(await system.handle("both", "1")) == ["a", "b", "c"]


async def until_waiting(system: System, agent: str) -> None:
    for _ in range(1000):
        if "waiting" in (await system.statuses(agent)).values():
            return
        await asyncio.sleep(0)
    raise AssertionError(await system.statuses(agent))


class Talker(BaseAgent):
    """Its events of one conversation build on each other."""

    converses = True

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "ask":
            await context.ask("answerer", 1)
        self.state["order"] = [*self.state.get("order", []), event.id]


async def test_a_conversation_waits_with_its_event_and_others_go_on() -> None:
    system = await running(Talker, Slowpoke)
    await system.send("talker", "asks", data="ask", conversation="c1")
    await until_waiting(system, "talker")
    await system.send("talker", "same", conversation="c1")
    await system.handle("talker", "other", conversation="c2")
    assert (await system.statuses("talker"))["same"] == "parked"
    await until_done(system, "talker", 4)  # the answer is an event too
    assert (await system.state("talker"))["order"] == ["other", "asks", "same"]


class Slowpoke(BaseAgent):
    name = "answerer"

    async def on_event(self, event: Event, context: Context) -> Any:
        if context.attempt == 1:
            raise Retryable(after_seconds=100)
        return "at last"
