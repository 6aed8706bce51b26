"""An event that waits owns its conversation; in strict order, its agent. Nobody gets between, nobody is left behind."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.events import TIME_MAX, Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.work import HELD, Work
from AgentOperatingSystem.storage.records import EventRow, Head, Row, Status
from tests.systems import System, event, passed, running

pytestmark = pytest.mark.virtual_time
NOW = 1000.0


class Answerer(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(20)
        return "at last"


class Talker(BaseAgent):
    """Asks where it is told to, and writes down which event it came to the end of."""

    converses = True

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "ask":
            await context.ask("answerer", 1, timeout_seconds=60)
        self.state["order"] = [*self.state.get("order", []), event.id]


class Orderly(Talker):
    ordering: ClassVar[str] = "strict"
    converses = False


class Nosy(BaseAgent):
    """Asks a talker, in no conversation."""

    async def on_event(self, event: Event, context: Context) -> Any:
        return await context.ask("talker", "?", timeout_seconds=600)


@pytest.mark.parametrize("kind", [Talker, Orderly])
async def test_what_came_in_the_same_turn_is_held_too(kind: type[Talker]) -> None:
    system, name = System(kind, Answerer), kind.registered_name()
    asking = event(name, "1", data="ask", conversation="c")
    await system.send_together(asking, *(event(name, each, conversation="c") for each in "234"))
    system.pump.start()
    await passed(10)
    assert list((await system.statuses(name)).values()).count("parked") == 3
    await passed(100)
    assert (await system.state(name))["order"] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("turn_events_max", [1, 64])
async def test_an_answer_passes_by_what_strict_order_holds(turn_events_max: int) -> None:
    """Whatever rings meanwhile: the events that are held must not keep back the one that they wait for."""
    rules = Rules(turn_events_max=turn_events_max)
    system = await running(Orderly, Answerer, rules=rules, turn_events_max=turn_events_max)
    await system.send("orderly", "1", data="ask")
    await passed(1)
    for each in "23":
        await system.send("orderly", each)
    await system.lifecycle.control(AgentId("orderly"), "pause")
    await passed(25)
    await system.lifecycle.control(AgentId("orderly"), "resume")
    await passed(200)
    assert (await system.state("orderly"))["order"] == ["1", "2", "3"]


async def test_a_question_of_another_agent_is_no_answer() -> None:
    system = await running(Talker, Answerer, Nosy)
    await system.send("talker", "1", data="ask")
    await passed(1)
    await system.send("nosy", "2")
    await passed(10)
    assert "parked" in (await system.statuses("talker")).values()
    await passed(100)
    assert (await system.state("talker"))["order"][0] == "1"
    assert (await system.statuses("nosy"))["2"] == "done"


# --- the bookkeeping of one turn ------------------------------------------------------------------------------


def work_of(**fields: Any) -> Work:
    head = Head(agent=AgentId("talker"), version=7, next_order=9, **fields)
    return Work(head, NOW, False, Rules(), Limits())


def row_of(event_id: str, status: Status = Status.PARKED, **fields: Any) -> EventRow:
    made = event("talker", event_id, conversation="c")
    return EventRow(key=made.key, event=made, status=status, **fields)


def test_what_this_turn_held_back_is_freed_in_it() -> None:
    work = work_of(waiting=("c",))
    work.hold_back(Case(event("talker", "new", conversation="c")))
    work.go_on(row_of("waits", Status.WAITING, order=3), [])
    (new,) = work.inserts
    assert (new.reason, new.due, new.blocking) == ("goes on", 0.0, True)
    assert work.change(work.head, "", ()).head.backlog == 2


def test_whoever_waited_is_before_those_that_it_held() -> None:
    work = work_of(waiting=("c",))
    held = row_of("held", order=2, reason=HELD, due=TIME_MAX)
    work.go_on(row_of("waits", Status.WAITING, order=5), [held])
    orders = {row.event.id: row.order for row in work.updates}
    assert orders["waits"] < orders["held"]


def test_what_comes_of_the_conversation_in_the_same_turn_comes_after() -> None:
    work = work_of(waiting=("c",))
    work.go_on(row_of("waits", Status.WAITING), [])
    assert work.comes_after(event("talker", conversation="c"))
    assert not work.comes_after(event("talker", conversation="d"))


def test_a_question_that_has_not_left_is_not_lost_where_an_answer_comes_in_the_same_turn() -> None:
    work = work_of()
    case = Case(event("talker", "asks"), row_of("asks", blocking=True, claims=1), carried=True)
    asked = [event("answerer", "question")]
    work.wait(case, [Row("step", f"{case.key}/wait-1", b"{}")], [], asked, owns=False)
    assert case.key in work.unrelayed  # its own message may come after the one that moves it on
    (waiting,) = work.updates
    work.go_on(waiting, [])
    assert len(work.updates[0].outputs) == 1
    work = work_of()
    work.go_on(waiting, [])
    assert work.updates[0].outputs == ()  # it left long ago
