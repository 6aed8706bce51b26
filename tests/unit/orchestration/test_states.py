"""An agent's state through its life: four kinds, migrations, what cannot be read, and what is large."""

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import pytest
from pydantic import BaseModel

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.collector import collect
from AgentOperatingSystem.storage.memory import MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, Head, Status
from tests.clocks import CLOCK
from tests.systems import System, World, passed, result_of, running

pytestmark = pytest.mark.virtual_time
KEEPER = AgentId("keeper")


class ModelState(BaseModel):
    count: int = 0
    seen: list[str] = []


class StructState(msgspec.Struct):
    count: int = 0
    seen: list[str] = msgspec.field(default_factory=list)


@dataclass
class DataState:
    count: int = 0
    seen: list[str] = field(default_factory=list)


class Typed(BaseAgent):
    """Counts in a typed state, by `context.state` and by `self.state` in turn."""

    name = "keeper"

    async def on_event(self, event: Event, context: Context) -> Any:
        state = context.state if event.data == "context" else self.state
        assert state is context.state is self.state
        state.count += 1
        state.seen.append(event.id)
        if event.data == "fails":
            raise Terminal("no")
        return state.count


def typed(kind: type) -> type[BaseAgent]:
    return type("Keeper", (Typed,), {"state_type": kind})


@pytest.mark.parametrize("kind", [ModelState, StructState, DataState])
async def test_a_typed_state_is_kept_and_read_again_as_itself(kind: type) -> None:
    system = await running(typed(kind))
    await system.handle(KEEPER, "a", data="context")
    await system.handle(KEEPER, "b")
    await system.handle(KEEPER, "x", data="fails")
    again = await running(typed(kind), world=system.world)
    assert result_of(await again.handle(KEEPER, "c", data="context")) == 3
    assert await again.state(KEEPER) == {"count": 3, "seen": ["a", "b", "c"]}


class Assigning(BaseAgent):
    """Assigns a new state in one of the two ways."""

    name = "keeper"

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "self":
            self.state = {"by": "self", "before": self.state.get("by")}
        else:
            context.state = {"by": "context", "before": context.state.get("by")}


async def test_a_new_state_may_be_assigned_in_both_ways() -> None:
    system = await running(Assigning)
    for way, before in (("self", None), ("context", "self"), ("self", "context"), ("context", "self")):
        await system.handle(KEEPER, data=way)
        assert await system.state(KEEPER) == {"by": way, "before": before}


async def test_warm_and_cold_agents_see_the_same_state() -> None:
    class Mutating(BaseAgent):
        name = "keeper"

        async def on_event(self, event: Event, context: Context) -> Any:
            seen = repr(self.state)
            self.state.setdefault("list", []).append({"n": len(self.state["list"])})
            return seen

    warm, cold = await running(Mutating), await running(Mutating, warm_agents_max=0)
    for number in range(4):
        one, other = await warm.handle(KEEPER, f"{number}"), await cold.handle(KEEPER, f"{number}")
        assert result_of(one) == result_of(other)


# --- schemas ----------------------------------------------------------------------------------------------------------


def second(state: dict[str, Any]) -> dict[str, Any]:
    return {"count": state["number"]}


def third(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"seen": ["migrated"]}


class First(BaseAgent):
    name = "keeper"

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["number"] = self.state.get("number", 0) + 1
        return self.state["number"]


class Third(Typed):
    name = "keeper"
    state_type = StructState
    schema = 3
    migrations: ClassVar[Any] = {1: second, 2: third}


class Gap(Third):
    name = "keeper"
    migrations: ClassVar[Any] = {2: third}


class Failing(Third):
    name = "keeper"
    migrations: ClassVar[Any] = {1: second, 2: lambda state: state["nothing"]}


async def old_agent() -> System:
    system = await running(First)
    await system.handle(KEEPER, "a")
    await system.handle(KEEPER, "b")
    return system


async def test_a_state_of_an_older_schema_is_migrated_once() -> None:
    system = await old_agent()
    newer = await running(Third, world=system.world)
    assert result_of(await newer.handle(KEEPER, "c")) == 3
    head = await newer.head(KEEPER)
    assert (head.schema, await newer.state(KEEPER)) == (3, {"count": 3, "seen": ["migrated", "c"]})


async def test_a_migration_waits_for_an_event_that_changes_something() -> None:
    system = await old_agent()
    newer = await running(Third, world=system.world)
    await newer.handle(KEEPER, "x", data="fails")
    assert (await newer.head(KEEPER)).schema == 1
    assert await newer.state(KEEPER) == {"number": 2}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Gap, "no migration from schema 1 to 2"),
        (Failing, "does not fit"),
    ],
)
async def test_a_state_that_cannot_be_migrated_is_never_written_over(kind: type[BaseAgent], reason: str) -> None:
    system = await old_agent()
    newer = await running(kind, world=system.world)
    row = await newer.handle(KEEPER, "c")
    assert (row.status, reason in row.reason) == (Status.QUARANTINED, True)
    assert (await newer.head(KEEPER)).schema == 1
    assert await newer.state(KEEPER) == {"number": 2}
    fixed = await running(Third, world=system.world)
    await fixed.quarantine.redrive(KEEPER, row.key)
    await passed(1)
    assert await fixed.state(KEEPER) == {"count": 3, "seen": ["migrated", "c"]}


async def test_a_state_of_a_newer_schema_is_never_written_over() -> None:
    system = await running(Third)
    await system.handle(KEEPER, "a")
    before = await system.state(KEEPER)
    older = await running(First, world=system.world)
    row = await older.handle(KEEPER, "b")
    assert (row.status, "schema 3, this code knows up to 1" in row.reason) == (Status.QUARANTINED, True)
    assert await older.state(KEEPER) == before
    assert (await older.head(KEEPER)).schema == 3


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[1]", b'"text"', b'{"count": 1}trailing'])
async def test_a_damaged_state_is_never_written_over(content: bytes) -> None:
    world = World()
    await world.store.commit(Change(head=Head(agent=KEEPER, version=1, state=content), etag=""))
    system = await running(First, world=world)
    for name in "abc":
        row = await system.handle(KEEPER, name)
        assert (row.status, row.reason.startswith("StateUnreadable")) == (Status.QUARANTINED, True)
    assert (await system.head(KEEPER)).state == content


async def test_a_mended_state_is_looked_at_without_a_restart() -> None:
    world = World()
    await world.store.commit(Change(head=Head(agent=KEEPER, version=1, state=b"{"), etag=""))
    system = await running(First, world=world)
    row = await system.handle(KEEPER, "a")
    server = await system.kernel.awaken_fresh(KEEPER)
    await server.save_state({"number": 10})
    await system.quarantine.redrive(KEEPER, row.key)
    await passed(1)
    assert await system.state(KEEPER) == {"number": 11}


async def test_an_agent_that_cannot_be_made_puts_its_events_aside() -> None:
    class Unmakeable(BaseAgent):
        def __init__(self) -> None:
            super().__init__()
            raise SystemExit("no licence")

    class NeedsMore(BaseAgent):
        def __init__(self, wanted: str) -> None:
            super().__init__()

    class NoFresh(BaseAgent):
        state_type = type("Strange", (), {"__init__": lambda self, wanted: None})

    system = await running(Unmakeable, NeedsMore, NoFresh, First)
    for name in ("unmakeable", "needs_more", "no_fresh"):
        row = await system.handle(name, "1")
        assert (row.status, bool(row.reason)) == (Status.QUARANTINED, True)
    assert (await system.handle(KEEPER, "1")).status is Status.DONE


# --- large states -----------------------------------------------------------------------------------------------------


class Large(BaseAgent):
    """Keeps a text of so many characters."""

    name = "keeper"

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data is not None:
            self.state["text"] = random.Random(event.id).randbytes(event.data // 2).hex()
        return len(self.state.get("text", ""))


async def test_a_large_state_lies_in_a_blob_and_a_small_one_in_the_row() -> None:
    system = await running(Large, inline_bytes_max=1000)
    blobs = system.world.blobs
    assert isinstance(blobs, MemoryBlobStore)
    await system.handle(KEEPER, "small", data=900)
    head = await system.head(KEEPER)
    assert (bool(head.state), head.state_blob, len(blobs.blobs)) == (True, "", 0)
    await system.handle(KEEPER, "large", data=5000)
    head = await system.head(KEEPER)
    assert (head.state, list(blobs.blobs)) == (b"", [head.state_blob])
    assert result_of(await system.handle(KEEPER, "look")) == 5000
    system.kernel.warm.forget(KEEPER)
    assert result_of(await system.handle(KEEPER, "look again")) == 5000
    await system.handle(KEEPER, "small again", data=100)
    assert (await system.head(KEEPER)).state_blob == ""
    await passed(1000)
    assert await collect(system.world.store, blobs, 600, CLOCK) == 1


async def test_an_unchanged_large_state_is_not_put_again() -> None:
    system = await running(Large, inline_bytes_max=1000)
    blobs = system.world.blobs
    assert isinstance(blobs, MemoryBlobStore)
    await system.handle(KEEPER, "large", data=5000)
    put_at = [at for _, at in blobs.blobs.values()]
    await passed(100)
    await system.handle(KEEPER, "look")
    assert [at for _, at in blobs.blobs.values()] == put_at


@pytest.mark.parametrize("damage", ["gone", "changed"])
async def test_a_lost_or_damaged_blob_puts_events_aside_and_writes_over_nothing(damage: str) -> None:
    system = await running(Large, inline_bytes_max=1000)
    blobs = system.world.blobs
    assert isinstance(blobs, MemoryBlobStore)
    await system.handle(KEEPER, "large", data=5000)
    head = await system.head(KEEPER)
    content, put_at = blobs.blobs.pop(head.state_blob)
    if damage == "changed":
        blobs.blobs[head.state_blob] = (content[:-1] + b"!", put_at)
    system.kernel.warm.forget(KEEPER)
    row = await system.handle(KEEPER, "look")
    assert row.status is Status.QUARANTINED
    assert (await system.head(KEEPER)).state_blob == head.state_blob
    blobs.blobs[head.state_blob] = (content, put_at)
    await system.quarantine.redrive(KEEPER, row.key)
    await passed(1)
    assert result_of(await system.row(KEEPER, "look")) == 5000
