"""Answers that are put off, and rings of agents that wait for one another: refused when they close, over restarts."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import EventFailed
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time


class Asks(BaseAgent):
    """Answers after it has asked the agents that the question names, one after the other; then the last answers."""

    waits: ClassVar[bool] = True
    plain: ClassVar[bool] = False
    """Whether it answers at once, whatever the others say."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "aos.reply":
            owed = self.state["owed"].pop(event.correlation)
            await context.answer(owed, f"{self.name}({event.data})")
            return self.state.setdefault("got", []).append(event.data)
        if not event.data:
            return self.name
        first, *rest = event.data
        owed = None if self.plain else context.defer()
        correlation = await context.request(first, rest, timeout_seconds=60.0, waits=self.waits)
        self.state.setdefault("owed", {})[correlation] = owed or {"event": ""}
        return "asked"


def asker(called: str, *, does_wait: bool = True, is_plain: bool = False) -> type[BaseAgent]:
    class Made(Asks):
        name = called
        waits = does_wait
        plain = is_plain

    return Made


async def three(**first: bool) -> System:
    return await running(asker("a", **first), asker("b"), asker("c"))


async def test_an_answer_that_was_put_off_comes_when_it_is_there() -> None:
    system = await three()
    row = await system.handle("a", data=["b", "c"])
    assert result_of(row) == "asked", "an application gets the handler's result"
    await passed(1)
    assert (await system.state("a"))["got"] == ["b(c)"]
    assert (await system.state("b"))["got"] == ["c"]
    assert {len((await system.state(name))["owed"]) for name in "ab"} == {0}


async def test_the_chain_of_asks_is_in_the_envelopes() -> None:
    system = await three()
    await system.handle("a", data=["b", "c"])
    await passed(1)
    asked = {name: next(iter((await system.rows(name)).values())).event.asks for name in "abc"}
    assert asked == {"a": (), "b": ("default|a/",), "c": ("default|a/", "default|b/")}


async def test_it_comes_over_a_restart() -> None:
    system = await running(asker("a"), asker("b"))
    await system.handle("a", data=["b"])
    await system.crash()
    again = await running(asker("a"), asker("b"), world=system.world)
    await passed(100)
    assert (await again.state("a"))["got"] == ["b"]


@pytest.mark.parametrize(("path", "ring"), [(["b", "a"], "a → b → a"), (["b", "c", "a"], "a → b → c → a")])
async def test_the_request_that_would_close_a_ring_fails_and_names_it(path: list[str], ring: str) -> None:
    system = await three()
    await system.handle("a", data=path)
    await passed(1)
    last = path[-2]
    (row,) = [row for row in (await system.rows(last)).values() if row.event.type == "aos.request"]
    assert row.status is Status.FAILED
    assert f"deadlock: this request would close a ring of agents that wait for one another: {ring}" in row.reason
    assert len(await system.rows("a")) == 1, "nothing was sent"
    await passed(100)
    timed_out = [row.event.type for row in (await system.rows("a")).values()][1:]
    assert timed_out == ["aos.request.timed_out"], "the one who waits learns it at its time limit"


async def test_who_answers_others_while_it_waits_closes_no_ring() -> None:
    system = await three(does_wait=False)
    await system.handle("a", data=["b", "a"])
    await passed(1)
    assert (await system.state("a"))["got"] == ["b(a)"]


async def test_who_answers_at_once_closes_no_ring() -> None:
    system = await running(asker("a"), asker("b", is_plain=True))
    await system.handle("a", data=["b", "a"])
    await passed(1)
    assert (await system.state("a"))["got"] == ["asked"]
    assert (await system.state("b"))["got"] == ["a"]


async def test_a_handler_that_fails_owes_what_it_owed_before() -> None:
    class Hesitant(Asks):
        name = "b"

        async def on_event(self, event: Event, context: Context) -> Any:
            result = await super().on_event(event, context)
            if context.attempt == 1:
                raise RuntimeError("on purpose")
            return result

    system = await running(asker("a"), Hesitant, asker("c"))
    await system.handle("a", data=["b", "c"])
    await passed(30)
    assert (await system.state("a"))["got"] == ["b(c)"]
    assert len(await system.rows("c")) == 1


# --- handlers that wait for an application's call -------------------------------------------------------------------


class Blocking(BaseAgent):
    """Asks the next one within its own handler, and waits."""

    system: ClassVar[System]

    async def on_event(self, event: Event, context: Context) -> Any:
        first, *rest = event.data or [""]
        if not first:
            return self.name
        await asyncio.sleep(0)
        return [self.name, await self.system.message_bus.request(first, rest, timeout_seconds=1000)]


def blocking(called: str) -> type[BaseAgent]:
    class Made(Blocking):
        name = called

    return Made


async def test_a_handler_that_waits_for_one_that_waits_for_it_is_told_at_once() -> None:
    system = Blocking.system = await running(blocking("a"), blocking("b"))
    assert await system.message_bus.request("a", ["b"]) == ["a", "b"]
    with pytest.raises(EventFailed, match="a → b → a"):
        await system.message_bus.request("a", ["b", "a"])
    with pytest.raises(EventFailed, match="a → a"):
        await system.message_bus.request("a", ["a"])
    assert len(await system.rows("a")) == 3


async def test_outside_of_a_handler_nobody_waits() -> None:
    system = await running(asker("a"))
    assert await system.message_bus.request("a") == "a"
