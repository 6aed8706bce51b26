"""An event that waits owns its conversation; in strict order, its agent. Nobody gets between, nobody is left behind."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.errors import Retryable, TooLarge
from AgentOperatingSystem.events import TIME_MAX, Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.conversations import HELD
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.memory import MemoryAgentStore
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Row, Status
from tests.systems import System, World, event, passed, running

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


async def test_an_event_that_is_to_be_tried_again_keeps_its_conversation() -> None:
    """What it has heard by its steps stays true; whatever is of another conversation goes on meanwhile."""

    class Failing(Talker):
        name = "talker"

        async def on_event(self, event: Event, context: Context) -> Any:
            if event.data == "fail":
                await context.step("hears", str, 1)
                if context.attempt < 3:
                    raise Retryable(after_seconds=10)
            return await super().on_event(event, context)

    system = await running(Failing)
    await system.send("talker", "1", data="fail", conversation="c")
    await passed(1)
    await system.send("talker", "2", conversation="c")
    await system.send("talker", "3", conversation="d")
    await passed(5)
    assert (await system.head("talker")).waiting == ("c",)
    await passed(100)
    assert (await system.state("talker"))["order"] == ["3", "1", "2"]
    head = await system.head("talker")
    assert (head.backlog, head.waiting) == (0, ())


async def test_cancelling_what_is_to_be_tried_again_frees_its_conversation() -> None:
    class Failing(Talker):
        name = "talker"

        async def on_event(self, event: Event, context: Context) -> Any:
            if event.data == "fail":
                await context.step("hears", str, 1)
                raise Retryable(after_seconds=1000)
            return await super().on_event(event, context)

    system = await running(Failing)
    await system.send("talker", "1", data="fail", conversation="c")
    await passed(1)
    await system.send("talker", "2", conversation="c")
    await passed(1)
    await CancelDesk(system.parts, system.kernel).cancel(AgentId("talker"), "/test", "1")
    await passed(1)
    assert await system.statuses("talker") == {"1": "cancelled", "2": "done"}


class Small(MemoryAgentStore):
    """Its transactions hold no more than those of an Azure table."""

    async def commit(self, change: Change) -> Committed:
        rows = 1 + len(change.inserts) + len(change.updates) + len(change.rows)
        if rows > 100:
            raise TooLarge(f"{rows} rows in one transaction")
        return await super().commit(change)


@pytest.mark.parametrize("held_max", [60, 1000])
async def test_ever_so_many_held_events_go_on_part_by_part_in_their_order(held_max: int) -> None:
    system = await running(Talker, Answerer, rules=Rules(held_max=held_max), world=World(store=Small()))
    await system.send("talker", "0", data="ask", conversation="c")
    await passed(1)
    for number in range(1, 151):
        await system.send("talker", str(number), conversation="c")
    await passed(10)
    assert list((await system.statuses("talker")).values()).count("parked") == 150
    await passed(15)  # the answer is there by now
    await system.send("talker", "late", conversation="c")
    await passed(100)
    assert (await system.state("talker"))["order"] == [*map(str, range(151)), "late"]
    head = await system.head("talker")
    assert (head.backlog, head.waiting, head.freeing) == (0, (), ())


async def test_a_turn_of_many_rows_is_several_commits() -> None:
    class Rememberer(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> None:
            for name in "abcde":
                await context.remember(f"{event.id}-{name}", 1)

    system = System(Rememberer, world=World(store=Small()))
    await system.send_together(*(event("rememberer", str(number)) for number in range(64)))
    system.pump.start()
    await passed(10)
    assert set((await system.statuses("rememberer")).values()) == {"done"}
    assert len(await system.rows("rememberer")) == 64


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
    assert work.conversations.comes_after(event("talker", conversation="c"))
    assert not work.conversations.comes_after(event("talker", conversation="d"))


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
