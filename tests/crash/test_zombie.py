"""A host that is stopped in the middle of a turn and goes on after another host did its work does no harm."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event

SLOW_SECONDS = 0.3
TIMEOUT_SECONDS = 60


class Account(BaseAgent):
    """Takes its time, and says so."""

    name = "account"
    pipe: ClassVar[Connection]

    async def on_event(self, event: Event, context: Context) -> Any:
        self.pipe.send(("began", event.id))
        await asyncio.sleep(SLOW_SECONDS)
        context.state.setdefault("applied", []).append(event.id)
        await context.publish("account.changed", event.id)
        await context.send("book", event.id)
        return context.state["applied"]


class Book(BaseAgent):
    """Keeps what it is sent."""

    name = "book"
    subscriptions = ("account.*",)

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state.setdefault("heard", []).append([event.topic, event.data])


def live(folder: Path, pipe: Connection) -> None:
    asyncio.run(_live(folder, pipe))


async def _live(folder: Path, pipe: Connection) -> None:
    """Takes ids of events from the pipe until None comes; answers each when it is applied."""
    Account.pipe = pipe
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, log_level="CRITICAL")) as aos:
        await aos.register_agent(Account)
        await aos.register_agent(Book)
        aos.start()
        pipe.send(("ready", ""))
        answering: list[asyncio.Task[None]] = []
        while (name := await asyncio.to_thread(pipe.recv)) is not None:
            answering.append(asyncio.create_task(_answer(aos, pipe, name)))
        await asyncio.gather(*answering)


async def _answer(aos: AgentOperatingSystem, pipe: Connection, name: str) -> None:
    result = await aos.process_event({"type": "entry", "id": name, "source": "/client", "agent": "account"})
    pipe.send(("applied", name, result))


class Host:
    """One process."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["AgentOperatingSystem.proof.kill.child"])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=live, args=(folder, theirs))
        self.process.start()
        theirs.close()
        assert self.hears() == ("ready", "")

    def hears(self) -> Any:
        assert self.pipe.poll(TIMEOUT_SECONDS), "the host says nothing"
        return self.pipe.recv()

    def does(self, name: str) -> Any:
        """Has an event applied and answers its result."""
        self.pipe.send(name)
        while (heard := self.hears())[0] != "applied":
            pass
        return heard[2]

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def ends(self) -> int | None:
        self.pipe.send(None)
        self.process.join(TIMEOUT_SECONDS)
        return self.process.exitcode


@contextmanager
def host(folder: Path) -> Iterator[Host]:
    made = Host(folder)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.join()
        made.pipe.close()


async def states(folder: Path) -> tuple[list[str], list[list[str]]]:
    async with AgentOperatingSystem(AOSConfig(data_dir=folder)) as aos:
        account, book = [await aos.context_server(name).load_state() for name in ("account", "book")]
        return account["applied"], sorted(book["heard"])


def both(*names: str) -> list[list[str]]:
    """Each event's message and publication, once."""
    return sorted([topic, name] for name in names for topic in ("", "account.changed"))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
async def test_a_host_that_wakes_up_after_its_event_was_applied_elsewhere(tmp_path: Path) -> None:
    with host(tmp_path) as zombie, host(tmp_path) as other:
        zombie.pipe.send("one")
        assert zombie.hears() == ("began", "one")
        zombie.signal(signal.SIGSTOP)
        assert other.does("one") == ["one"]
        assert other.does("two") == ["one", "two"]
        zombie.signal(signal.SIGCONT)
        while (heard := zombie.hears())[0] != "applied":
            pass
        assert heard == ("applied", "one", ["one"])  # the recorded result, not a second one
        assert zombie.does("three") == ["one", "two", "three"]
        assert (zombie.ends(), other.ends()) == (0, 0)
    assert await states(tmp_path) == (["one", "two", "three"], both("one", "two", "three"))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
async def test_a_host_that_dies_while_it_is_stopped_is_taken_over_from(tmp_path: Path) -> None:
    with host(tmp_path) as zombie, host(tmp_path) as other:
        zombie.pipe.send("one")
        assert zombie.hears() == ("began", "one")
        zombie.signal(signal.SIGSTOP)
        assert other.does("two") == ["two"]
        zombie.signal(signal.SIGKILL)
        assert other.does("one") == ["two", "one"]
        assert other.ends() == 0
    assert await states(tmp_path) == (["two", "one"], both("one", "two"))
