"""Publish and subscribe, broadcast to groups, fire and forget, and durable handlers."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.errors import InvalidHandler, InvalidTopic, Retryable, TooLarge, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.builtin import HANDLER, FunctionHandler, find_handler, handler_name
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
HEARD: list[Any] = []
FAILURES: list[str] = []


def hear(message: Any) -> str:
    """A subscribed function."""
    HEARD.append(message)
    return "heard"


async def hear_later(message: Any) -> None:
    await asyncio.sleep(1)
    HEARD.append(("later", message))


async def hear_at_the_third_try(message: Any) -> None:
    if len(FAILURES) < 2:
        FAILURES.append(message)
        raise Retryable("not yet")
    HEARD.append(message)


class Ears:
    @staticmethod
    def static(message: Any) -> None:
        HEARD.append(("static", message))

    @classmethod
    def of_class(cls, message: Any) -> None:
        HEARD.append((cls.__name__, message))

    def of_object(self, message: Any) -> None:
        raise AssertionError("never called")


NO_FUNCTION = 5


class Listener(BaseAgent):
    """Hears everything about orders, and what its group is told."""

    subscriptions: ClassVar[tuple[str, ...]] = ("order.#",)
    groups = ("team",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append([event.topic, event.data])
        if event.data == "answer the group":
            await context.broadcast("team", "I heard you")


class PerKey(BaseAgent):
    """One instance per customer."""

    subscriptions = ("order.* -> {data.customer}",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["count"] = self.state.get("count", 0) + 1


class Member(Listener):
    """A member of the group that hears of no order."""

    subscriptions: ClassVar[tuple[str, ...]] = ()


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    HEARD.clear()
    FAILURES.clear()
    FunctionHandler.bound.clear()


async def heard(system: System, agent: AgentId | str) -> list[Any]:
    state = await system.state(agent)
    return list(state["heard"]) if state else []


# --- publish and subscribe --------------------------------------------------------------------------------------------


async def test_every_subscriber_hears_a_publication_once() -> None:
    system = await running(Listener, PerKey)
    await system.message_bus.publish("order.created", {"customer": "ann"})
    await system.message_bus.publish("order.created", {"customer": "bob"})
    await system.message_bus.publish("order.paid.late", {"customer": "ann"})
    await system.message_bus.publish("other", 1)
    await passed(1)
    assert [topic for topic, _ in await heard(system, "listener")] == ["order.created"] * 2 + ["order.paid.late"]
    assert await system.state(AgentId("per_key", "ann")) == {"count": 1}
    assert await system.state(AgentId("per_key", "bob")) == {"count": 1}


async def test_a_publication_with_an_id_counts_once() -> None:
    system = await running(Listener)
    for _ in range(3):
        await system.message_bus.publish("order.created", 1, id="same")
    await passed(1)
    assert await heard(system, "listener") == [["order.created", 1]]


async def test_an_agent_subscribes_and_unsubscribes_while_the_system_runs() -> None:
    system = await running(Member)
    await system.message_bus.subscribe("news.*", "member/key")
    await system.message_bus.subscribe("news.*", "member/key")
    await system.message_bus.publish("news.today", 1)
    await passed(1)
    await system.message_bus.unsubscribe("news.*", "member/key")
    await system.message_bus.publish("news.today", 2)
    await passed(1)
    assert await heard(system, AgentId("member", "key")) == [["news.today", 1]]


async def test_other_hosts_see_a_subscription_when_they_look() -> None:
    one = await running(Member)
    await one.message_bus.subscribe("news.#", "member")
    other = System(Member, world=one.world)
    assert other.subscriptions.all("default") == list(other.registry.get(AgentId("member")).subscriptions)
    await other.subscriptions.refresh(other.parts, "default")
    assert [found.pattern for found in other.subscriptions.all("default")] == ["aos.group.team", "news.#"]


async def test_tenants_do_not_hear_each_other() -> None:
    system = await running(Listener)
    await system.message_bus.publish("order.created", 1)
    await passed(1)
    assert await heard(system, AgentId("listener", "", "other")) == []


@pytest.mark.parametrize("topic", ["", "a..b", "a.*", "#"])
async def test_what_is_no_topic_cannot_be_published_to(topic: str) -> None:
    system = await running(Listener)
    with pytest.raises(InvalidTopic):
        await system.message_bus.publish(topic, 1)


async def test_what_is_too_large_is_refused_before_anybody_hears_it() -> None:
    system = await running(Listener, limits=Limits(event_bytes_max=100))
    with pytest.raises(TooLarge):
        await system.message_bus.publish("order.created", "x" * 200)
    await passed(1)
    assert await heard(system, "listener") == []


# --- functions --------------------------------------------------------------------------------------------------------


async def test_functions_hear_and_are_called_as_they_are() -> None:
    system = await running()
    for handler in (hear, hear_later, Ears.static, Ears.of_class):
        await system.message_bus.subscribe("news", handler)
    await system.message_bus.publish("news", "hello")
    await passed(5)
    assert set(HEARD) == {"hello", ("later", "hello"), ("static", "hello"), ("Ears", "hello")}
    assert len(HEARD) == 4


async def test_a_function_is_found_again_after_a_restart() -> None:
    system = await running()
    await system.message_bus.subscribe("news", hear)
    await system.crash()
    FunctionHandler.bound.clear()
    again = await running(world=system.world)
    await again.message_bus.publish("news", "after")
    await passed(1)
    assert HEARD == ["after"]


async def test_a_function_that_fails_is_tried_again_and_in_the_end_put_aside() -> None:
    system = await running()
    await system.message_bus.subscribe("news", hear_at_the_third_try)
    await system.message_bus.publish("news", "hello")
    await passed(100)
    assert (FAILURES, HEARD) == (["hello", "hello"], ["hello"])


async def test_a_function_that_is_gone_leaves_its_messages_in_the_quarantine() -> None:
    system = await running()
    for name in ("tests.unit.orchestration.test_message_bus:gone", "no.such.module:f", "tests.clocks:CLOCK.nothing"):
        row = await system.handle(AgentId(HANDLER, name))
        assert (row.status, "cannot be found" in row.reason) == (Status.QUARANTINED, True)
    row = await system.handle(AgentId(HANDLER, f"{__name__}:NO_FUNCTION"))
    assert (row.status, "is not callable" in row.reason) == (Status.QUARANTINED, True)


def local() -> Callable[[Any], Any]:
    def inner(message: Any) -> None:
        """Local to a function."""

    return inner


@pytest.mark.parametrize(
    "handler",
    [local(), lambda message: None, functools.partial(hear, 1), Ears().of_object, [].append],
    ids=["closure", "lambda", "partial", "method", "method of a list"],
)
async def test_what_could_not_be_found_again_is_refused(handler: Callable[[Any], Any]) -> None:
    system = await running()
    with pytest.raises(InvalidHandler, match="top level of a module"):
        await system.message_bus.subscribe("news", handler)
    assert system.subscriptions.all("default") == []


@pytest.mark.parametrize("handler", [hear, hear_later, Ears.static, Ears.of_class])
def test_a_name_leads_back_to_its_function(handler: Callable[[Any], Any]) -> None:
    assert find_handler(handler_name(handler)) == handler


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_a_broadcast_reaches_every_member_but_the_sender() -> None:
    system = await running(Listener, Member)
    for key in "ab":
        await system.message_bus.join("team", AgentId("member", key))
    await system.message_bus.broadcast("team", "hello", sender="member/a")
    await passed(1)
    members = ("listener", "member", "member/a", "member/b")
    assert {name: len(await heard(system, AgentId.parse(name))) for name in members} == {
        "listener": 1,
        "member": 1,
        "member/a": 0,
        "member/b": 1,
    }


async def test_an_agents_own_broadcast_does_not_come_back_to_it() -> None:
    system = await running(Listener, Member)
    await system.handle("listener", data="answer the group")
    await passed(1)
    assert await heard(system, "member") == [["aos.group.team", "I heard you"]]
    assert len(await heard(system, "listener")) == 1


# --- fire and forget --------------------------------------------------------------------------------------------------


async def test_a_message_is_sent_and_not_waited_for() -> None:
    system = await running(Member)
    sent = await system.message_bus.send("member", "hello", sender="member/x", conversation="c1")
    await passed(1)
    row = await system.row("member", sent.id)
    assert (row.event.source, row.event.type, row.event.conversation) == ("/agents/member/x", "aos.message", "c1")
    assert await heard(system, "member") == [["", "hello"]]


async def test_nobody_can_be_sent_to_who_is_not_registered() -> None:
    system = await running(Member)
    for call in (system.message_bus.send("nobody"), system.message_bus.subscribe("a", "nobody")):
        with pytest.raises(UnknownAgent):
            await call
