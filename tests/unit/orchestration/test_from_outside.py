"""What is changed outside of a turn takes nothing from what the turns before it have left."""

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.steps import STEP, WAIT, Step, StepKind, StepStatus
from AgentOperatingSystem.errors import IllegalTransition
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.storage.records import Change, EventRow, Row, Status
from tests.systems import System, event, passed, running

pytestmark = pytest.mark.virtual_time
AGENT = AgentId("plain")


class Plain(BaseAgent):
    async def process(self, event: Event) -> int:
        return 1


async def commit(
    system: System, *rows: Row, inserts: tuple[EventRow, ...] = (), unrelayed: tuple[str, ...] = ()
) -> None:
    server = await system.kernel.awaken_fresh(AGENT)
    head = msgspec.structs.replace(server.head, version=server.head.version + 1, unrelayed=unrelayed)
    await server.commit(Change(head=head, etag=server.etag, inserts=inserts, rows=rows))
    system.kernel.warm.forget(AGENT)


def row_of(made: Event, status: Status) -> EventRow:
    return EventRow(key=made.key, event=made, status=status, claims=1)


async def test_what_a_turn_owes_is_still_owed_after_another_event_was_cancelled() -> None:
    system = System(Plain)
    waiting = event("plain", "waits")
    await commit(system, inserts=(row_of(waiting, Status.WAITING),), unrelayed=("sends",))
    await CancelDesk(system.parts, system.kernel).cancel(AGENT, waiting.source, waiting.id)
    assert (await system.head("plain")).unrelayed == ("sends",)


@pytest.mark.parametrize("status", [Status.IN_DOUBT, Status.DIVERGED, Status.QUARANTINED])
async def test_an_answer_is_kept_for_an_event_that_waits_for_a_person_too(status: Status) -> None:
    system = await running(Plain)
    aside = event("plain", "asks")
    step = Step(kind=StepKind.WAIT, what="ask other", hash="0" * 64, status=StepStatus.WAITING)
    name = f"{aside.key}/{step.name}"
    await commit(system, Row(STEP, name, encode(step)), inserts=(row_of(aside, status),))
    await system.send("plain", "answer", type="aos.reply", correlation=f"{WAIT}{name}", data=42)
    await passed(1)
    value = await system.world.store.row(AGENT, STEP, name)
    assert value is not None
    kept = msgspec.json.decode(value, type=Step)
    assert (kept.status, bytes(kept.result)) == (StepStatus.DONE, b"42")
    assert (await system.row("plain", "asks")).status is status


class Thinker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        await context.think("?", model=ScriptedModel(["a long answer " * 100]))


async def test_the_collector_is_told_of_a_large_answer_that_rides_in_the_last_commit() -> None:
    system = await running(Thinker, inline_bytes_max=64)
    await system.handle("thinker", "1")
    assert (await system.head("thinker")).step_blobs


async def test_a_verdict_brings_back_no_event_that_was_cancelled_meanwhile() -> None:
    system = System(Plain)
    doubted = event("plain", "doubted")
    step = Step(kind=StepKind.TOOL, what="refund", hash="0" * 64, status=StepStatus.INTENT, deadline=1.0)
    name = f"{doubted.key}/{step.name}"
    await commit(system, Row(STEP, name, encode(step)), inserts=(row_of(doubted, Status.IN_DOUBT),))
    await CancelDesk(system.parts, system.kernel).cancel(AGENT, doubted.source, doubted.id)
    with pytest.raises(IllegalTransition, match="cancelled"):
        await system.effects.retry(AGENT, doubted.key, step=step.name)
    assert (await system.row("plain", "doubted")).status is Status.CANCELLED
