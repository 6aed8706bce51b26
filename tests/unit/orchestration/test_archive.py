"""One agent out as a document and in again: nothing is lost, and it goes on where it stood."""

import asyncio
import base64
from typing import Any, ClassVar

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Conflict, InvalidInput, Quarantine, Retryable, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.records import Control, Status
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
KEEPER, COPY = AgentId("keeper", "original"), AgentId("keeper", "copy", "south")
HOUR = 3600.0


class Keeper(BaseAgent):
    """Has one of everything."""

    mended: ClassVar[bool] = False

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "aside" and not self.mended:
            raise Quarantine("aside")
        if event.data == "waits" and not self.mended:
            raise Retryable("not yet", after_seconds=HOUR)
        self.state.setdefault("seen", []).append(event.id)
        await context.remember(f"note {event.id}", {"id": event.id})
        if event.data == "schedules":
            await context.schedule("hourly", cron="30 * * * *")
        return event.id


@pytest.fixture(autouse=True)
def unmended() -> None:
    Keeper.mended = False


async def filled(events: int = 3, **settings: Any) -> System:
    system = await running(Keeper, **settings)
    for number in range(events):
        await system.handle(KEEPER, f"{number}")
    await system.handle(KEEPER, "s", data="schedules")
    await system.handle(KEEPER, "q", data="aside")
    await system.send(KEEPER, "w", data="waits")
    await passed(1)
    return system


async def document(system: System) -> bytes:
    return msgspec.json.encode(await system.archive.export(KEEPER))


async def everything(system: System, agent: AgentId) -> dict[str, Any]:
    store = system.world.store
    rows = (await store.events(agent, limit=10_000)).items
    head = await system.head(agent)
    return {
        "state": await system.state(agent),
        "events": {row.event.id: (row.status, row.result, row.attempts, row.reason, row.due) for row in rows},
        "memory": [(row.name, row.value) for row in (await store.rows(agent, "memory", limit=10_000)).items],
        "timers": [(row.name, row.value) for row in (await store.rows(agent, "timer")).items],
        "head": (head.handled, head.control, head.next_tick, head.schema, head.next_order, head.created_at),
    }


@pytest.mark.parametrize("events", [0, 3, 200], ids=["few", "some", "more than one commit"])
@pytest.mark.parametrize("inline_bytes_max", [64, 1 << 16], ids=["state in a blob", "state in the row"])
async def test_everything_comes_in_as_it_went_out(events: int, inline_bytes_max: int) -> None:
    system = await filled(events, inline_bytes_max=inline_bytes_max)
    there = await running(Keeper)
    assert await there.archive.import_(await document(system)) == KEEPER
    assert await everything(there, KEEPER) == await everything(system, KEEPER)


async def test_it_may_come_in_under_another_address() -> None:
    system = await filled()
    assert await system.archive.import_(await document(system), COPY) == COPY
    assert await everything(system, COPY) == await everything(system, KEEPER)
    assert {row.event.agent for row in (await system.rows(COPY)).values()} == {COPY}
    await system.handle(COPY, "new")
    assert "new" not in (await system.state(KEEPER))["seen"]


async def test_it_goes_on_where_it_stood() -> None:
    system = await filled()
    there = await running(Keeper)
    await there.archive.import_(await document(system))
    Keeper.mended = True
    row = await there.handle(KEEPER, "1")
    assert row.version <= (await system.head(KEEPER)).version, "known, and not handled again"
    await passed(1.2 * HOUR)
    seen = (await there.state(KEEPER))["seen"]
    assert (seen.count("1"), seen.count("w"), seen[-1][:6]) == (1, 1, "w")
    assert "hourly@2026-01-01T00:30:00Z" in seen
    (aside,) = (await there.quarantine.list("default")).items
    await there.quarantine.redrive(KEEPER, aside.key)
    await passed(1)
    assert "q" in (await there.state(KEEPER))["seen"]


async def test_events_that_come_during_the_import_wait_until_all_of_it_is_here() -> None:
    system = await filled(300)
    there = await running(Keeper)
    document_ = await document(system)
    arriving = [asyncio.create_task(there.handle(KEEPER, f"new{number}")) for number in range(5)]
    try:
        await there.archive.import_(document_)
    except Conflict:
        assert (await there.state(KEEPER))["seen"][0].startswith("new"), "the first event was faster"
        return
    finally:
        await asyncio.gather(*arriving)
    seen = (await there.state(KEEPER))["seen"]
    assert seen[:300] == [f"{number}" for number in range(300)]


async def test_a_paused_agent_comes_in_paused() -> None:
    system = await filled(120)
    await system.lifecycle.control(KEEPER, "pause", "moving")
    there = await running(Keeper)
    await there.archive.import_(await document(system))
    head = await there.head(KEEPER)
    assert (head.control, head.reason) == (Control.PAUSED, "moving")


async def test_nobody_is_written_over() -> None:
    system = await filled()
    with pytest.raises(Conflict, match="exists here already"):
        await system.archive.import_(await document(system))
    await system.lifecycle.control(KEEPER, "terminate")
    with pytest.raises(Conflict, match="exists here already"):
        await system.archive.import_(await document(system))


async def test_where_only_a_tombstone_is_left_it_may_come_in_again() -> None:
    system = await filled(120)
    before, kept = await everything(system, KEEPER), await document(system)
    await system.lifecycle.control(KEEPER, "terminate")
    await system.lifecycle.purge(KEEPER)
    await system.archive.import_(kept)
    assert await everything(system, KEEPER) == before
    assert (await system.handle(KEEPER, "new")).status is Status.DONE


async def test_an_agent_that_was_never_there_cannot_go_out() -> None:
    system = await running(Keeper)
    with pytest.raises(UnknownAgent, match="never been woken"):
        await system.archive.export(KEEPER)


async def test_an_agent_that_works_goes_out_as_of_one_version() -> None:
    system = await filled()
    work = [asyncio.create_task(system.handle(KEEPER, f"w{number}")) for number in range(30)]
    archive = await system.archive.export(KEEPER)
    await asyncio.gather(*work)
    done = [row.event.id for row in archive.events if row.status is Status.DONE and row.event.type == "test.happened"]
    state = msgspec.json.decode(base64.b64decode(archive.state))
    assert sorted(state["seen"]) == sorted(done)


def changed(text: bytes, **fields: Any) -> bytes:
    value = msgspec.json.decode(text)
    value.update(fields)
    return msgspec.json.encode(value)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"",
        lambda text: b"{",
        lambda text: b"[]",
        lambda text: b"\xff\xfe",
        lambda text: text[: len(text) // 2],
        lambda text: changed(text, format="aos.agent/99"),
        lambda text: changed(text, state="not base64!"),
        lambda text: changed(text, state="bm90IGpzb24="),
        lambda text: changed(text, events=[{}]),
        lambda text: changed(text, rows=[["memory", "x", None]]),
        lambda text: changed(text, rows=[["secrets", "x", "e30="]]),
        lambda text: changed(text, rows=[["timer", "x", "e30="]]),
        lambda text: text.replace(b'"version":1', b'"version":-1'),
        lambda text: text.replace(b'"version":1', b'"version":999'),
        lambda text: text.replace(b'"key":"', b'"key":"0'),
    ],
)
async def test_a_document_that_cannot_be_read_brings_nothing(change: Any) -> None:
    system = await filled()
    there = await running(Keeper)
    with pytest.raises(InvalidInput):
        await there.archive.import_(change(await document(system)))
    assert (await there.kernel.awaken_fresh(KEEPER)).etag == ""
