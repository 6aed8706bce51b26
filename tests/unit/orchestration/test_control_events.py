"""Control from an event: `aos.control`."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.control_events import control_agent
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.switching import SwitchDesk
from AgentOperatingSystem.storage.records import EventRow
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time


class Sleeper(BaseAgent):
    async def process(self, event: Event) -> None:
        await asyncio.sleep(1000)


class Guard(BaseAgent):
    """An agent that controls another."""

    async def on_event(self, event: Event, context: Context) -> None:
        await context.send("aos.control", {"agent": "sleeper", "reason": "the guard says so"}, type="aos.control.pause")


@dataclass
class Desks:
    lifecycle: Lifecycle
    switches: SwitchDesk
    cancelling: CancelDesk


async def controlled() -> System:
    system = await running(Sleeper, Guard)
    parts, kernel = system.parts, system.kernel
    desks = Desks(Lifecycle(parts, kernel), SwitchDesk(parts, kernel, 5.0), CancelDesk(parts, kernel))
    system.registry.register_system(control_agent(desks))
    return system


async def order(system: System, action: str, **said: Any) -> EventRow:
    return await system.handle("aos.control", type=f"aos.control.{action}", data=said)


async def test_an_event_cancels_one_that_runs_without_queueing_behind_it() -> None:
    system = await controlled()
    await system.send("sleeper", "1")
    await passed(1)
    row = await order(system, "cancel", agent="sleeper", event="1", source="/test", reason="no need")
    assert result_of(row) == {"agent": "sleeper", "event": "1", "status": "cancelled"}
    await passed(1)
    assert (await system.row("sleeper", "1")).reason == "cancelled: no need"


async def test_an_agent_a_type_and_a_tenant_are_controlled() -> None:
    system = await controlled()
    assert result_of(await order(system, "pause", agent="sleeper"))["state"] == "paused"
    assert result_of(await order(system, "resume", agent="sleeper"))["state"] == "sleeping"
    assert result_of(await order(system, "stop", type="sleeper"))["state"] == "stopped"
    assert result_of(await order(system, "start", type="sleeper"))["state"] == "active"
    assert result_of(await order(system, "pause", tenant=True))["tenant"] == "default"
    assert result_of(await order(system, "resume", tenant=True))["state"] == "active"


async def test_an_agent_may_control_another() -> None:
    system = await controlled()
    await system.handle("guard")
    await passed(1)
    assert (await system.head("sleeper")).reason == "the guard says so"


async def test_an_order_is_obeyed_once() -> None:
    system = await controlled()
    await system.handle("aos.control", "once", type="aos.control.pause", data={"agent": "sleeper"})
    await system.lifecycle.control(Sleeper().address, "resume")
    await system.handle("aos.control", "once", type="aos.control.pause", data={"agent": "sleeper"})
    assert (await system.head("sleeper")).control == "active"


@pytest.mark.parametrize(
    ("action", "said", "status", "why"),
    [
        ("pause", {}, "quarantined", "name one of"),
        ("pause", {"agent": "a", "type": "b"}, "quarantined", "name one of"),
        ("explode", {"agent": "sleeper"}, "quarantined", "takes aos.control.pause"),
        ("pause", {"agents": "sleeper"}, "quarantined", "unknown field"),
        ("cancel", {"agent": "sleeper"}, "quarantined", "'event' is the id"),
        ("pause", {"agent": "sleeper", "event": "1"}, "quarantined", "'event' is the id"),
        ("terminate", {"type": "sleeper"}, "quarantined", "needs an 'agent'"),
        ("pause", {"agent": "nobody"}, "quarantined", "no agent is registered"),
        ("cancel", {"agent": "sleeper", "event": "none"}, "quarantined", "has no event"),
        ("pause", {"agent": "aos.unrouted"}, "failed", "belongs to the system"),
        ("start", {"agent": "sleeper"}, "failed", ""),
    ],
)
async def test_what_cannot_be_obeyed_says_why(action: str, said: dict[str, Any], status: str, why: str) -> None:
    system = await controlled()
    if status == "failed" and not why:
        await order(system, "pause", agent="sleeper")
    row = await order(system, action, **said)
    assert row.status == status
    assert why in row.reason
