"""Request and answer: exactly one of an answer and a time-out is handled, whatever crashes."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import EventFailed, RequestTimedOut, Retryable, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time


class Asker(BaseAgent):
    """Asks when it is told to, and records what comes back."""

    got: ClassVar[list[tuple[str, Any]]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "ask":
            correlation = await context.request("answerer", event.data, timeout_seconds=60.0)
            self.state.setdefault("asked", []).append(correlation)
            return correlation
        assert event.correlation in self.state["asked"]
        self.got.append((event.type, event.data))
        self.state.setdefault("answers", []).append([event.type, event.correlation])
        return None


class Answerer(BaseAgent):
    """Answers after so many seconds; or fails."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "refuse":
            raise Terminal("no")
        if event.data == "fail once" and context.attempt == 1:
            raise Retryable("not yet", after_seconds=20)
        await asyncio.sleep(event.data if isinstance(event.data, float) else 0)
        return {"answer": event.data}


@pytest.fixture(autouse=True)
def nothing_got() -> None:
    Asker.got.clear()


async def ask(system: System, data: Any) -> str:
    row = await system.handle("asker", type="ask", data=data)
    assert row.status is Status.DONE
    state = await system.state("asker")
    return str(state["asked"][-1])


async def test_an_answer_comes_as_an_event() -> None:
    system = await running(Asker, Answerer)
    correlation = await ask(system, 5.0)
    await passed(10)
    assert Asker.got == [("aos.reply", {"answer": 5.0})]
    assert (await system.state("asker"))["answers"] == [["aos.reply", correlation]]
    await passed(1000)
    assert len(Asker.got) == 1, "no time-out after the answer"
    assert (await system.world.store.rows((await system.head("asker")).agent, "timer")).items == ()


async def test_where_no_answer_comes_there_is_a_time_out() -> None:
    system = await running(Asker, Answerer)
    begun = CLOCK.now()
    await ask(system, "refuse")
    await passed(59)
    assert Asker.got == []
    await passed(2)
    assert Asker.got == [("aos.request.timed_out", {"type": "aos.request", "to": "answerer"})]
    assert CLOCK.now() - begun == 61


async def test_an_answer_after_the_time_out_is_not_handled_and_ends_visibly() -> None:
    system = await running(Asker, Answerer)
    await ask(system, 100.0)
    await passed(200)
    assert [kind for kind, _ in Asker.got] == ["aos.request.timed_out"]
    late = [row for row in (await system.rows("asker")).values() if row.event.type == "aos.reply"]
    assert [(row.status, row.reason) for row in late] == [
        (Status.CANCELLED, "no request waits for this answer any more")
    ]


@pytest.mark.parametrize("seconds", [59.9, 60.0, 60.1])
async def test_at_the_very_limit_it_is_one_of_the_two(seconds: float) -> None:
    system = await running(Asker, Answerer)
    await ask(system, seconds)
    await passed(200)
    assert len(Asker.got) == 1


async def test_an_answer_that_took_several_tries_counts_once() -> None:
    system = await running(Asker, Answerer)
    await ask(system, "fail once")
    await passed(200)
    assert Asker.got == [("aos.reply", {"answer": "fail once"})]


async def test_many_requests_get_many_answers() -> None:
    system = await running(Asker, Answerer)
    asked = [await ask(system, "refuse" if number % 3 == 0 else number / 10) for number in range(30)]
    await passed(500)
    answers = {correlation: kind for kind, correlation in (await system.state("asker"))["answers"]}
    assert set(answers) == set(asked)
    assert len(set(asked)) == 30
    assert [answers[each] == "aos.request.timed_out" for each in asked] == [n % 3 == 0 for n in range(30)]


@pytest.mark.parametrize(("seconds", "kind"), [(10.0, "aos.reply"), (120.0, "aos.request.timed_out")])
async def test_a_request_survives_the_host(seconds: float, kind: str) -> None:
    system = await running(Asker, Answerer)
    await ask(system, seconds)
    await passed(5)
    await system.crash()
    again = await running(Asker, Answerer, world=system.world)
    await passed(300)
    assert [got for got, _ in Asker.got] == [kind]
    assert len((await again.state("asker"))["answers"]) == 1


async def test_a_request_of_a_handler_that_failed_was_never_asked() -> None:
    class Hesitant(Asker):
        name = "asker"

        async def on_event(self, event: Event, context: Context) -> Any:
            result = await super().on_event(event, context)
            if event.type == "ask" and context.attempt == 1:
                raise Retryable("thought again", after_seconds=5)
            return result

    system = await running(Hesitant, Answerer)
    await ask(system, 1.0)
    await passed(100)
    assert len(await system.rows("answerer")) == 1
    assert [kind for kind, _ in Asker.got] == ["aos.reply"]


# --- from outside -----------------------------------------------------------------------------------------------------


async def test_an_application_asks_and_gets_the_result() -> None:
    system = await running(Answerer)
    assert await system.message_bus.request("answerer", 5.0) == {"answer": 5.0}


async def test_an_application_that_waits_too_short_finds_the_outcome_later() -> None:
    system = await running(Answerer)
    with pytest.raises(RequestTimedOut, match="did not end within 10 s; it is accepted and will be handled"):
        await system.message_bus.request("answerer", 50.0, timeout_seconds=10, id="r1", source="/me")
    row, waits = await system.mailroom.find((await system.head("answerer")).agent, "/me", "r1")
    assert (row, waits) == (None, True)
    await passed(60)
    row, waits = await system.mailroom.find((await system.head("answerer")).agent, "/me", "r1")
    assert (row is not None and row.status, waits) == (Status.DONE, False)


async def test_a_failed_request_is_an_error() -> None:
    system = await running(Answerer)
    with pytest.raises(EventFailed, match="terminal: no"):
        await system.message_bus.request("answerer", "refuse")


async def test_an_answer_that_nobody_asked_for_by_request_is_an_ordinary_event() -> None:
    class Penpal(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            if event.type == "write":
                await context.send("answerer", 0.0, reply_to=context.agent, correlation="letter 1")
            else:
                self.state["got"] = [event.type, event.correlation, event.data]

    system = await running(Penpal, Answerer)
    await system.handle("penpal", type="write")
    await passed(1)
    assert await system.state("penpal") == {"got": ["aos.reply", "letter 1", {"answer": 0.0}]}
