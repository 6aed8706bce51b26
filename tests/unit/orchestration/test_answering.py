"""Approvals and questions: nothing runs while a person thinks, one answer counts, and only for what was shown."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.timers import TIMER
from AgentOperatingSystem.agents.waiting import Approval, Question
from AgentOperatingSystem.errors import (
    Forbidden,
    IllegalTransition,
    InvalidInput,
    RequestTimedOut,
    StoreUnavailable,
    UnknownEvent,
)
from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.orchestration.answering import Asked
from AgentOperatingSystem.orchestration.retention import expire
from AgentOperatingSystem.storage.records import EventRow, Status
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from tests.clocks import CLOCK
from tests.systems import LOCK_SECONDS, System, World, passed, result_of, running

pytestmark = pytest.mark.virtual_time
DAY_SECONDS = 86_400.0
CLERK = AgentId("clerk")
calls: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    calls.clear()
    Watcher.heard.clear()


@tool(approval="always", approval_seconds=3600)
async def refund(order: str, amount: int = 1) -> str:
    calls.append((order, amount))
    return f"refunded {order}"


class Clerk(BaseAgent):
    """Calls its tool for each order that its event names."""

    tool: Tool = refund

    async def on_event(self, event: Event, context: Context) -> Any:
        orders = event.data if isinstance(event.data, list) else [event.data]
        made = await asyncio.gather(*(context.call(type(self).tool, order=each) for each in orders))
        return [[each.content, each.is_error] for each in made]


class Watcher(BaseAgent):
    subscriptions = ("aos.approvals",)
    heard: list[Any] = []  # noqa: RUF012  # one for the module's tests

    async def on_event(self, event: Event, context: Context) -> Any:
        Watcher.heard.append((event.type, event.data))


async def waiting(system: System, agent: str = "clerk", event_id: str = "1") -> EventRow:
    return await there(system, agent, event_id, Status.WAITING)


async def there(system: System, agent: str, event_id: str, *wanted: Status) -> EventRow:
    for _ in range(1000):
        row = (await system.rows(agent)).get(event_id)
        if row is not None and row.status in (wanted or (Status.DONE, Status.FAILED, Status.CANCELLED)):
            return row
        await passed(0.1)
    raise AssertionError(await system.statuses(agent))


async def asking(*orders: str, **fields: Any) -> tuple[System, Asked]:
    system = await running(Clerk, Watcher)
    await system.send("clerk", "1", data=list(orders or ("o-1",)), **fields)
    row = await waiting(system)
    return system, (await system.answers.show(CLERK, row.key))[0]


def hash_of(asked: Asked) -> str:
    assert isinstance(asked.wants, Approval)
    return asked.wants.hash


async def test_approved_it_is_called_once() -> None:
    system, asked = await asking()
    assert calls == []
    assert (await system.answers.list("default")).items == (asked,)
    await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="ada")
    assert result_of(await there(system, "clerk", "1")) == [["refunded o-1", False]]
    assert calls == [("o-1", 1)]
    assert (await system.world.store.rows(CLERK, TIMER)).items == ()
    assert (await system.answers.list("default")).items == ()
    (shown,) = await system.answers.show(CLERK, asked.row.key)
    assert (shown.step.decided_by, shown.is_open, shown.step.ended_at > shown.step.began_at) == ("ada", False, True)


async def test_it_is_published_when_it_is_asked_and_when_it_is_decided() -> None:
    system, asked = await asking()
    await system.answers.deny(CLERK, asked.row.key, by="ada", reason="too much")
    await there(system, "clerk", "1")
    await passed(1)
    (asked_type, about), (decided_type, decision) = Watcher.heard
    assert (asked_type, decided_type) == ("aos.approval.requested", "aos.approval.decided")
    assert about["tool"] == "refund"
    assert about["arguments"] == {"order": "o-1"}
    assert about["agent"] == "clerk"
    assert (about["event_key"], about["step"]) == (asked.row.key, asked.step.name)
    assert (about["hash"], about["requester"], about["expires"]) == (hash_of(asked), "/test", asked.step.deadline)
    assert decision["answer"] == {"approved": False, "by": "ada", "reason": "too much"}


async def test_denied_it_is_not_called_and_that_is_no_success() -> None:
    system, asked = await asking()
    await system.answers.deny(CLERK, asked.row.key, by="ada", reason="too much")
    said = result_of(await there(system, "clerk", "1"))
    assert (said, calls) == ([["refund was not called: denied by ada: too much", True]], [])


async def test_not_answered_in_time_it_is_not_called() -> None:
    system, asked = await asking()
    await passed(3601)
    said = result_of(await there(system, "clerk", "1"))
    assert (said, calls) == ([["refund was not called: nobody approved it within 3600 s", True]], [])
    with pytest.raises(IllegalTransition, match="too late, it was to be decided by 20"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="ada")


async def test_an_approval_that_comes_late_is_refused_though_nobody_has_noticed_the_time() -> None:
    system, asked = await asking()
    await system.crash()
    await asyncio.sleep(3600)
    late = System(Clerk, Watcher, world=system.world)  # its pump does not turn
    with pytest.raises(IllegalTransition, match="too late"):
        await late.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="ada")
    assert calls == []


async def test_whoever_asked_may_not_approve() -> None:
    system, asked = await asking(extensions={"principal": "ada"})
    with pytest.raises(Forbidden, match="Ada asked for this call"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="Ada")
    with pytest.raises(Forbidden):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="/people/ada")
    assert calls == []
    await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="bob")
    assert result_of(await there(system, "clerk", "1")) == [["refunded o-1", False]]


async def test_a_source_is_who_asked_where_no_principal_is_named() -> None:
    system, asked = await asking(source="/people/ada")
    with pytest.raises(Forbidden):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="ada")


async def test_whoever_is_behind_an_event_is_behind_what_it_causes() -> None:
    class Boss(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            await context.send("clerk", ["o-1"])

    system = await running(Boss, Clerk)
    await system.handle("boss", "b", extensions={"principal": "ada"})
    await passed(5)
    found = (await system.answers.list("default")).items
    with pytest.raises(Forbidden):
        await system.answers.approve(CLERK, found[0].row.key, hash=hash_of(found[0]), by="ada")


async def test_a_second_approval_is_refused() -> None:
    system, asked = await asking()
    await system.answers.deny(CLERK, asked.row.key, by="ada")
    with pytest.raises(IllegalTransition, match="decided by ada already"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="bob")
    await there(system, "clerk", "1")
    with pytest.raises(IllegalTransition, match="decided by ada already"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="bob")
    assert calls == []


async def test_of_two_answers_at_once_one_counts() -> None:
    system, asked = await asking()
    said = await asyncio.gather(
        *(system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by=f"p{number}") for number in range(8)),
        return_exceptions=True,
    )
    assert [isinstance(each, Asked) for each in said].count(True) == 1
    await there(system, "clerk", "1")
    assert calls == [("o-1", 1)]


async def test_other_arguments_than_those_that_were_shown_are_refused() -> None:
    system, asked = await asking()
    with pytest.raises(IllegalTransition, match="other arguments"):
        await system.answers.approve(CLERK, asked.row.key, hash="0" * 64, by="ada")
    with pytest.raises(InvalidInput, match="give the hash"):
        await system.answers.approve(CLERK, asked.row.key, hash="", by="ada")
    assert calls == []


async def test_an_approval_is_used_once() -> None:
    """The same call a second time asks a second time."""
    system, asked = await asking("o-1", "o-1")
    first, second = await system.answers.show(CLERK, asked.row.key)
    assert hash_of(first) == hash_of(second)
    with pytest.raises(InvalidInput, match="2 questions are open"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(first), by="bob")
    await system.answers.approve(CLERK, asked.row.key, hash=hash_of(first), by="bob", step=first.step.name)
    await passed(1)
    await waiting(system)
    assert calls == [("o-1", 1)]
    await system.answers.deny(CLERK, asked.row.key, by="bob", step=second.step.name)
    said = result_of(await there(system, "clerk", "1"))
    assert [is_error for _, is_error in said] == [False, True]
    assert calls == [("o-1", 1)]


async def test_changed_arguments_are_asked_for_anew() -> None:
    class Fickle(BaseAgent):
        name = "clerk"
        orders: list[str] = ["o-1", "o-2", "o-2"]  # noqa: RUF012  # what each try wants

        async def on_event(self, event: Event, context: Context) -> Any:
            order, *Fickle.orders = Fickle.orders
            return (await context.call(refund, order=order)).content

    system = await running(Fickle)
    await system.send("clerk", "1")
    row = await waiting(system)
    (asked,) = await system.answers.show(CLERK, row.key)
    await system.answers.approve(CLERK, row.key, hash=hash_of(asked), by="ada")
    await passed(1)
    await waiting(system)
    assert calls == []  # what was approved for o-1 calls nothing for o-2
    other = (await system.answers.show(CLERK, row.key))[-1]
    assert (hash_of(other) != hash_of(asked), other.is_open) == (True, True)


async def test_an_agent_cannot_approve_by_an_event() -> None:
    system, asked = await asking()
    forged = await system.handle(
        "clerk",
        "forged",
        type="aos.answer",
        correlation=f"wait:{asked.row.key}/{asked.step.name}",
        data={"approved": True, "by": "bob"},
    )
    assert (forged.status, calls) == (Status.CANCELLED, [])
    assert (await system.row("clerk", "1")).status is Status.WAITING


@pytest.mark.parametrize(
    ("policy", "asks", "why"),
    [
        (lambda arguments: arguments["order"] == "o-1", True, ""),
        (lambda arguments: "a large one", True, "a large one"),
        (lambda arguments: False, False, ""),
        (lambda arguments: arguments["missing"], True, "its policy failed: KeyError: 'missing'"),
    ],
)
async def test_a_policy_decides_whether_somebody_is_asked(policy: Any, asks: bool, why: str) -> None:
    async def pay(order: str) -> str:
        calls.append(order)
        return "paid"

    class Payer(Clerk):
        name = "clerk"
        tool = FunctionTool(pay, approval=policy)

    system = await running(Payer)
    await system.send("clerk", "1", data="o-1")
    row = await there(system, "clerk", "1", Status.WAITING, Status.DONE)
    assert (row.status is Status.WAITING) is asks
    assert calls == ([] if asks else ["o-1"])
    if asks:
        (asked,) = await system.answers.show(CLERK, row.key)
        assert isinstance(asked.wants, Approval)
        assert asked.wants.why == why


async def test_nobody_is_asked_about_arguments_that_do_not_fit() -> None:
    class Wrong(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            return (await context.call(refund, order=7)).content

    system = await running(Wrong)
    row = await system.handle("wrong", "1")
    assert (row.status, calls) == (Status.DONE, [])
    assert "order" in result_of(row)


async def test_outside_of_an_event_nothing_is_approved() -> None:
    from AgentOperatingSystem.agents.thinking import call_tool

    result = await call_tool(refund, {"order": "o-1"})
    assert (result.is_error, calls) == (True, [])


async def test_other_events_go_on_meanwhile() -> None:
    class Both(Clerk):
        name = "clerk"

        async def on_event(self, event: Event, context: Context) -> Any:
            return await super().on_event(event, context) if event.data else "at once"

    system = await running(Both)
    await system.send("clerk", "1", data="o-1")
    await waiting(system)
    assert result_of(await system.handle("clerk", "2")) == "at once"
    assert (await system.row("clerk", "1")).status is Status.WAITING


async def test_an_answer_after_45_days_still_finds_its_steps() -> None:
    class Patient(BaseAgent):
        name = "clerk"

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.step("before", calls.append, "before")
            said = await context.ask_human("Which one?", expires_seconds=60 * DAY_SECONDS)
            await context.step("after", calls.append, "after")
            return said

    system = await running(Patient)
    await system.send("clerk", "1")
    row = await waiting(system)
    await system.crash()
    await asyncio.sleep(45 * DAY_SECONDS)
    second = await running(Patient, world=system.world)
    await second.handle("clerk", "young", type="aos.answer", correlation="wait:nobody/none")
    await expire(second.parts, second.parts.clock.now() - 30 * DAY_SECONDS)
    await second.answers.answer(CLERK, row.key, {"the": "left one"}, by="ada")
    assert result_of(await there(second, "clerk", "1")) == {"the": "left one"}
    assert calls == ["before", "after"]


class Curious(BaseAgent):
    name = "clerk"

    async def on_event(self, event: Event, context: Context) -> Any:
        try:
            return await context.ask_human("Go?", ["yes", "no"], expires_seconds=600, to="ops")
        except RequestTimedOut as error:
            return str(error)


async def test_a_question_is_answered_with_one_of_its_choices() -> None:
    system = await running(Curious, Watcher)
    await system.send("clerk", "1")
    row = await waiting(system)
    (asked,) = await system.answers.show(CLERK, row.key)
    assert asked.wants == Question("Go?", ("yes", "no"), "ops")
    with pytest.raises(InvalidInput, match=r'none of \["yes","no"\]'):
        await system.answers.answer(CLERK, row.key, "maybe", by="ada")
    with pytest.raises(InvalidInput, match="say who answers"):
        await system.answers.answer(CLERK, row.key, "yes", by="")
    with pytest.raises(UnknownEvent, match="asks no such thing"):
        await system.answers.approve(CLERK, row.key, hash="x", by="ada")
    await system.answers.answer(CLERK, row.key, "no", by="ada")
    assert result_of(await there(system, "clerk", "1")) == "no"


async def test_a_question_may_be_answered_by_an_event() -> None:
    system = await running(Curious)
    await system.send("clerk", "1")
    row = await waiting(system)
    (asked,) = await system.answers.show(CLERK, row.key)
    correlation = f"wait:{row.key}/{asked.step.name}"
    wrong = await system.handle("clerk", "w", type="aos.answer", correlation=correlation, data="maybe")
    assert wrong.status is Status.CANCELLED
    await system.handle("clerk", "r", type="aos.answer", correlation=correlation, data="yes")
    assert result_of(await there(system, "clerk", "1")) == "yes"


async def test_a_question_that_nobody_answers() -> None:
    system = await running(Curious)
    await system.send("clerk", "1")
    await passed(601)
    assert result_of(await there(system, "clerk", "1")) == "nobody answered 'Go?' within 600 s"


async def test_a_cancelled_event_asks_no_more() -> None:
    from AgentOperatingSystem.orchestration.cancelling import CancelDesk

    system, asked = await asking()
    await CancelDesk(system.parts, system.kernel).cancel(CLERK, "/test", "1", "never mind")
    with pytest.raises(IllegalTransition, match="waits for it no more, it is cancelled"):
        await system.answers.approve(CLERK, asked.row.key, hash=hash_of(asked), by="ada")
    assert (await system.answers.list("default")).items == ()
    with pytest.raises(UnknownEvent):
        await system.answers.show(CLERK, "0" * 32)


async def test_what_is_under_way_comes_to_its_end_before_the_event_waits() -> None:
    """A call that is broken off because another one waits for a person would be a call of unknown outcome."""

    @tool
    async def email(to: str) -> str:
        calls.append(to)
        await asyncio.sleep(30)
        return "sent"

    class Both(BaseAgent):
        name = "clerk"

        async def on_event(self, event: Event, context: Context) -> Any:
            made = await asyncio.gather(context.call(refund, order="o-1"), context.call(email, to="ada"))
            return [each.content for each in made]

    system = await running(Both)
    await system.send("clerk", "1")
    row = await waiting(system)
    (asked,) = await system.answers.show(CLERK, row.key)
    assert calls == ["ada"]
    await system.answers.approve(CLERK, row.key, hash=hash_of(asked), by="ada")
    assert result_of(await there(system, "clerk", "1")) == ["refunded o-1", "sent"]
    assert calls == ["ada", ("o-1", 1)]


async def test_a_question_has_all_of_its_time_however_late_its_event_comes_to_it() -> None:
    """The context's time stands still from the first step on; nobody answers a question that has expired at birth."""

    class Patient(BaseAgent):
        name = "patient"

        async def on_event(self, event: Event, context: Context) -> Any:
            return [await context.ask_human(each, expires_seconds=100) for each in ("first?", "second?")]

    system = await running(Patient)
    await system.send("patient", "1")
    for answer in ("yes", "no"):
        await passed(90)
        row = await system.row("patient", "1")
        await system.answers.answer(AgentId("patient"), row.key, answer, by="ann")
    await passed(1)
    assert result_of(await system.row("patient", "1")) == ["yes", "no"]


class Bus(MemoryBus):
    """Refuses what is sent while it is `broken`."""

    broken = False

    async def send(self, messages: Sequence[Message]) -> None:
        if self.broken:
            raise StoreUnavailable("send")
        await super().send(messages)


async def test_what_was_asked_but_never_sent_is_sent_though_another_answer_moves_the_event_on() -> None:
    """Seed 52 with steps: the host died before the relay, and a person's verdict took the question with it."""
    bus = Bus(CLOCK, lambda event: (), lock_seconds=LOCK_SECONDS)

    class Friend(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            return "hello"

    class Both(BaseAgent):
        name = "clerk"

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.step("look", lambda: None)  # claims, before the broker is away
            bus.broken = not calls
            calls.append("tried")
            asked = context.ask("friend", "hi", timeout_seconds=3000), context.call(refund, order="o-1")
            said, made = await asyncio.gather(*asked)
            return [said, made.content]

    first = await running(Both, Friend, world=World(bus=bus))
    await first.send("clerk", "1")
    await waiting(first)
    await first.crash()
    bus.broken = False
    second = System(Both, Friend, world=first.world)
    row = await second.row("clerk", "1")
    (asked,) = [each for each in await second.answers.show(CLERK, row.key) if isinstance(each.wants, Approval)]
    await second.answers.approve(CLERK, row.key, hash=hash_of(asked), by="ada", step=asked.step.name)
    second.pump.start()
    assert result_of(await there(second, "clerk", "1")) == ["hello", "refunded o-1"]
