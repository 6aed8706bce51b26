"""One host that is going to be killed: takes events from a pipe, answers each when it is accepted or applied.

Forked by `hosts.py` from a server that has everything imported, so that a life of a tenth of a second is worth its
while.
"""

import asyncio
import os
from multiprocessing.connection import Connection

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.kill.points import Setup, Trap
from AgentOperatingSystem.proof.kill.work import AGENTS


def live(pipe: Connection, setup: Setup, point: str, countdown: int) -> None:
    """A host's life, until it is killed or told to end."""
    os.setpgid(0, 0)
    Trap.set(point, countdown)
    asyncio.run(_serve(pipe, setup))


async def _serve(pipe: Connection, setup: Setup) -> None:
    async with setup.system(drain_timeout_seconds=5) as aos:
        for agent in AGENTS:
            await aos.register_agent(agent)
        aos.start()
        pipe.send(("ready", 0))
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def readable() -> None:
            while not told.is_set() and pipe.poll():
                request = _received(pipe)
                if request is None:
                    told.set()
                    return
                task = loop.create_task(_handle(aos, pipe, *request))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        loop.add_reader(pipe.fileno(), readable)
        await told.wait()
        loop.remove_reader(pipe.fileno())


def _received(pipe: Connection) -> tuple[int, int, bool] | None:
    try:
        request: tuple[int, int, bool] | None = pipe.recv()
    except EOFError:
        return None
    if request is not None:
        Trap.step("received")
    return request


async def _handle(aos: AgentOperatingSystem, pipe: Connection, number: int, tally: int, wait: bool) -> None:
    event = Event(type="kill.work", source="/client", id=f"e{number}", agent=AgentId("tally", str(tally)), data=number)
    if wait:
        await aos.process_event(event)
    else:
        await aos.accept_event(event)
    pipe.send(("done", number))
