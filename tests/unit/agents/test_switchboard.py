"""The runtime of a team: who hears what, in which order, and what becomes of a handler that fails."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from autogen_core import AgentId, AgentType, CancellationToken, DefaultTopicId, TypeSubscription

from AgentOperatingSystem.agents.autogen import LENT
from AgentOperatingSystem.agents.switchboard import Switchboard

TOPIC = DefaultTopicId("news", "team")


class Hearer:
    """An agent that notes what it hears, and may do something about it."""

    def __init__(self, then: Callable[[Any, Any], Awaitable[Any]] | None = None) -> None:
        self.heard: list[Any] = []
        self._then = then

    async def on_message(self, message: Any, context: Any) -> Any:
        self.heard.append(message)
        return await self._then(message, context) if self._then is not None else None


async def board_of(**agents: Hearer) -> Switchboard:
    """A switchboard whose agents all hear the news."""
    board = Switchboard(LENT)
    for name, agent in agents.items():
        await board.register_factory(AgentType(name), partial(_itself, agent))
        await board.add_subscription(TypeSubscription("news", name))
    return board


def _itself(agent: Hearer) -> Hearer:
    return agent


def publishing(board: Switchboard, *messages: Any) -> Callable[..., Awaitable[str]]:
    """A run that publishes and is done."""

    async def run(task: Any, cancellation_token: CancellationToken) -> str:
        for message in messages:
            await board.publish_message(message, TOPIC, cancellation_token=cancellation_token)
        return "done"

    return run


async def waiting(task: Any, cancellation_token: CancellationToken) -> None:
    """A run that ends only when it is broken off."""
    await cancellation_token.link_future(asyncio.get_running_loop().create_future())


async def test_everybody_hears_everything_in_order_before_the_run_is_over() -> None:
    async def slowly(message: Any, context: Any) -> None:
        await asyncio.sleep(0)

    a, b = Hearer(slowly), Hearer(slowly)
    board = await board_of(a=a, b=b)
    assert await board.run(publishing(board, 1, 2, 3), "task") == "done"
    assert a.heard == b.heard == [1, 2, 3]


async def test_what_a_message_leads_to_is_part_of_the_run_and_nobody_hears_himself() -> None:
    async def answers(message: Any, context: Any) -> None:
        if message == "question":
            await board.publish_message("answer", TOPIC, sender=AgentId("a", "team"))

    a, b = Hearer(answers), Hearer()
    board = await board_of(a=a, b=b)
    await board.run(publishing(board, "question"), "task")
    assert (a.heard, b.heard) == (["question"], ["question", "answer"])


async def test_a_direct_message_is_answered_and_does_not_overtake() -> None:
    async def answers(message: Any, context: Any) -> Any:
        return (message, context.is_rpc)

    a = Hearer(answers)
    board = await board_of(a=a)

    async def run(task: Any, cancellation_token: CancellationToken) -> Any:
        await board.publish_message("first", TOPIC)
        return await board.send_message("second", AgentId("a", "team"), cancellation_token=cancellation_token)

    assert await board.run(run, "task") == ("second", True)
    assert a.heard == ["first", "second"]


async def test_what_a_handler_raises_ends_the_run_and_what_is_under_way() -> None:
    broken_off = []

    async def works(message: Any, context: Any) -> None:
        try:
            await context.cancellation_token.link_future(asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            broken_off.append(message)
            raise

    async def fails(message: Any, context: Any) -> None:
        raise LookupError("nobody knows")

    board = await board_of(a=Hearer(works), b=Hearer(fails))

    async def run(task: Any, cancellation_token: CancellationToken) -> None:
        await publishing(board, "work")(task, cancellation_token)
        await waiting(task, cancellation_token)

    with pytest.raises(LookupError, match="nobody knows"):
        await asyncio.wait_for(board.run(run, "task"), 5)
    assert broken_off == ["work"]


async def test_what_the_run_itself_raises_is_raised() -> None:
    async def run(task: Any, cancellation_token: CancellationToken) -> None:
        raise ValueError(task)

    with pytest.raises(ValueError, match="task"):
        await (await board_of()).run(run, "task")


async def test_cancelling_breaks_off_and_the_next_run_is_whole() -> None:
    a = Hearer()
    board = await board_of(a=a)
    running = asyncio.ensure_future(board.run(waiting, "task"))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert await board.run(publishing(board, "again"), "task") == "done"
    assert a.heard == ["again"]
