"""One host of the office that is going to be killed. Forked by the parent from a server that has AutoGen imported.

A life: it brings to its end what an earlier life left open, tells what it saw of it, and takes the next order, on whose
way the trap is set.
"""

import asyncio
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents import autogen as autogen  # loaded in the fork server, once for all lives
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.team import AgentTeam
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.effects import EffectsDesk
from AgentOperatingSystem.proof.kill.points import Setup, Trap
from AgentOperatingSystem.proof.refunds.office import AUDITOR, CLERK, SAYS, Ledger, model, tools
from AgentOperatingSystem.storage.records import ENDS, EventRow, Status

OFFICE = AgentId("office")


def office(ledger: Ledger) -> AgentTeam:
    """The team."""
    thinks = model(ledger)
    clerk = PerpetualAgent(tools(ledger), SAYS[CLERK], name=CLERK, model=thinks)
    auditor = PerpetualAgent((), SAYS[AUDITOR], name=AUDITOR, model=thinks)
    return AgentTeam([clerk, auditor], turns_max=2, agent_id=OFFICE.name, conversation_tokens_max=2000)


def order_event(number: int) -> Event:
    """A customer wants the money back."""
    return Event(
        type="refund.wanted",
        source="/customers",
        id=f"order-{number}",
        agent=OFFICE,
        data=f"Refund order o-{number}",
        conversation=f"o-{number}",
    )


class Life(NamedTuple):
    """What one host is to do, and where it dies."""

    folder: Path
    """Where the ledger lies, which is the world outside."""
    setup: Setup
    open_order: int | None
    order: int | None
    point: str
    countdown: int


def live(pipe: Connection, life: Life) -> None:
    """A host's life: ends what is open, then dies on the way of `order`, or ends by itself."""
    os.setpgid(0, 0)
    asyncio.run(_live(pipe, *life))


async def _live(
    pipe: Connection, folder: Path, setup: Setup, open_order: int | None, order: int | None, point: str, countdown: int
) -> None:
    ledger = Ledger(folder)
    async with setup.system(clock_skew_seconds=0) as aos:
        await aos.register_agent(office(ledger))
        aos.start()
        if open_order is not None:
            doubted = await _brought_to_its_end(aos, ledger, open_order)
            pipe.send(("ended", open_order, doubted))
        if order is not None:
            Trap.set(point, countdown)
            await aos.accept_event(order_event(order))
            await _ended(aos, order)
            Trap.set("", 0)
            pipe.send(("survived", order, False))


async def _brought_to_its_end(aos: AgentOperatingSystem, ledger: Ledger, number: int) -> bool:
    """Whether the order was in doubt. The person who is asked then looks whether the money left, and says so."""
    await aos.accept_event(order_event(number))
    row = await _ended(aos, number)
    if row.status is not Status.IN_DOUBT:
        return False
    desk = EffectsDesk(aos.parts, aos.kernel)
    if ledger.done("refund", f"o-{number}"):
        await desk.confirm(OFFICE, row.key, "refunded", by="accountant")
    else:
        await desk.retry(OFFICE, row.key, by="accountant")
    assert (await _ended(aos, number)).status is Status.DONE
    return True


async def _ended(aos: AgentOperatingSystem, number: int) -> EventRow:
    """The order's row when it has ended, or a person is asked."""
    key = order_event(number).key
    for _ in range(20_000):
        row = await aos.parts.store.event(OFFICE, key)
        if row is not None and (row.status in ENDS or row.status is Status.IN_DOUBT):
            return row
        await aos.clock.sleep(0.002)
    raise AssertionError(f"order {number} did not end")
