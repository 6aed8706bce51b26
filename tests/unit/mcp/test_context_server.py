"""The context server: state, history and memory of one agent, in a turn of it and outside."""

import asyncio
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from AgentOperatingSystem import storage
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import (
    AgentTerminated,
    ConfigurationError,
    InvalidEvent,
    InvalidInput,
    Retryable,
    Terminal,
)
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.storage.memory import MemoryAgentStore, MemoryBlobStore
from AgentOperatingSystem.storage.records import Change, Head
from tests.clocks import CLOCK
from tests.systems import System, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time
KEEPER = AgentId("keeper")


@pytest.fixture
def server() -> ContextMCPServer:
    return ContextMCPServer("keeper", MemoryAgentStore(), MemoryBlobStore(CLOCK), CLOCK, inline_bytes_max=1000)


def another(server: ContextMCPServer) -> ContextMCPServer:
    """The same agent, seen by somebody else."""
    return ContextMCPServer(server.agent, server.the_store(), server._blobs, CLOCK, inline_bytes_max=1000)


class Model(BaseModel):
    n: int = 1


# --- outside of turns -------------------------------------------------------------------------------------------------


async def test_an_agent_that_was_never_there_has_nothing(server: ContextMCPServer) -> None:
    await server.initialize()
    assert (server.etag, await server.state_bytes()) == ("", b"")
    assert await server.load_state() is None
    assert await server.recall("x") is None
    assert await server.recall_prefix("") == {}
    assert (await server.history()).items == ()


STATES = {"small": {"a": [1, None, "ü"]}, "large": {"long": "x" * 5000}, "model": Model(n=3), "empty": {}}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
async def test_a_state_comes_back(server: ContextMCPServer, state: Any) -> None:
    await server.save_state(state)
    plain = state.model_dump() if isinstance(state, Model) else state
    assert await server.load_state() == await another(server).load_state() == plain


async def test_what_is_no_json_is_refused(server: ContextMCPServer) -> None:
    with pytest.raises(InvalidEvent):
        await server.save_state({"a": object()})
    with pytest.raises(InvalidEvent):
        await server.remember("a", object())


@pytest.mark.parametrize("key", ["", "x" * 513, "\ud800"])
async def test_a_key_of_memory_is_checked(server: ContextMCPServer, key: str) -> None:
    with pytest.raises(InvalidInput, match="memory key"):
        await server.remember(key, 1)


async def test_memory_is_kept_found_by_prefix_and_forgotten(server: ContextMCPServer) -> None:
    for key, value in (("color/sky", "blue"), ("color/sea", None), ("size", [1, 2])):
        await server.remember(key, value)
    assert await server.recall("color/sky") == "blue"
    assert await another(server).recall_prefix("color/") == {"color/sea": None, "color/sky": "blue"}
    assert await server.recall_prefix("", limit=2) == {"color/sea": None, "color/sky": "blue"}
    await server.forget("color/sky")
    await server.forget("never")
    assert await server.recall_prefix("color/") == {"color/sea": None}


async def test_editors_add_to_what_others_wrote(server: ContextMCPServer) -> None:
    others = [another(server) for _ in range(20)]
    await asyncio.gather(*(other.remember(f"key{number:02}", number) for number, other in enumerate(others)))
    await asyncio.gather(*(other.save_state({"by": number}) for number, other in enumerate(others)))
    assert await server.recall_prefix("key") == {f"key{number:02}": number for number in range(20)}
    await server.initialize()
    assert server.head.version == 40


async def test_saving_keeps_everything_else_of_the_head(server: ContextMCPServer) -> None:
    head = Head(agent=KEEPER, version=1, schema=4, handled=7, next_tick=5.0, created_at=1.0, reason="r")
    await server.commit(Change(head=head, etag=""))
    await server.save_state({"n": 1})
    assert (server.head.schema, server.head.handled, server.head.next_tick, server.head.created_at) == (4, 7, 5.0, 1.0)


async def test_without_a_store_it_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="initialize an AgentOperatingSystem first"):
        await ContextMCPServer("keeper").initialize()


async def test_a_running_system_lends_its_store() -> None:
    store, blobs = MemoryAgentStore(), MemoryBlobStore(CLOCK)
    storage.use(store, blobs)
    try:
        await ContextMCPServer("keeper").save_state({"n": 1})
        assert await ContextMCPServer(KEEPER).load_state() == {"n": 1}
    finally:
        storage.release(store)
    with pytest.raises(ConfigurationError):
        await ContextMCPServer("keeper").initialize()


async def test_a_tombstone_is_not_edited() -> None:
    system = await running(Keeper)
    await system.lifecycle.control(KEEPER, "terminate")
    server = await system.kernel.awaken_fresh(KEEPER)
    for edit in (server.save_state({}), server.remember("a", 1), server.forget("a")):
        with pytest.raises(AgentTerminated):
            await edit


# --- within a turn of its agent ---------------------------------------------------------------------------------------


class Keeper(BaseAgent):
    """Does everything through its context server, as the specification's agents do."""

    tasks: ClassVar[list["asyncio.Task[None]"]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        own = self.context_server
        assert own is not None
        seen = [await own.load_state(), await own.recall("last"), await own.recall_prefix("k")]
        if event.data == "reads long":
            await asyncio.sleep(10)
            await own.initialize()
        await own.remember("last", event.id)
        await own.remember(f"k{event.id}", True)
        await own.save_state({"count": (await own.load_state() or {}).get("count", 0) + 1})
        if event.data == "fails":
            raise Terminal("no")
        if event.data == "forgets":
            await own.forget("ka")
        if event.data == "later":
            self.tasks.append(asyncio.create_task(self.work_on()))
        return seen

    async def work_on(self) -> None:
        """A task that outlives its turn."""
        await asyncio.sleep(100)
        assert self.context_server is not None
        await self.context_server.remember("by task", True)


async def memory(system: System) -> dict[str, Any]:
    return await (await system.kernel.awaken_fresh(KEEPER)).recall_prefix("")


async def test_what_an_agent_writes_in_its_turn_rides_in_the_turns_one_commit() -> None:
    system = await running(Keeper)
    assert result_of(await system.handle(KEEPER, "a")) == [{}, None, {}]
    assert (await system.head(KEEPER)).version == 1
    assert result_of(await system.handle(KEEPER, "b")) == [{"count": 1}, "a", {"ka": True}]
    assert await system.state(KEEPER) == {"count": 2}
    assert await memory(system) == {"ka": True, "kb": True, "last": "b"}


async def test_in_a_hot_turn_each_event_sees_what_the_ones_before_it_wrote() -> None:
    system = await running(Keeper)
    await system.send_together(*(event(KEEPER, name) for name in "abc"))
    await passed(1)
    assert (await system.head(KEEPER)).version == 1
    assert result_of(await system.row(KEEPER, "c")) == [{"count": 2}, "b", {"ka": True, "kb": True}]
    assert await system.state(KEEPER) == {"count": 3}


async def test_a_handler_that_fails_has_written_nothing() -> None:
    system = await running(Keeper)
    await system.handle(KEEPER, "a")
    await system.handle(KEEPER, "x", data="fails")
    assert await system.state(KEEPER) == {"count": 1}
    assert await memory(system) == {"ka": True, "last": "a"}
    await system.handle(KEEPER, "b", data="forgets")
    assert await memory(system) == {"kb": True, "last": "b"}


async def test_reading_in_a_turn_does_not_get_round_the_fence() -> None:
    """Another host commits while the handler runs; what the handler reads afterwards must not make its commit fit."""
    one = await running(Keeper)
    other = System(Keeper, world=one.world)
    slow = asyncio.create_task(one.handle(KEEPER, "slow", data="reads long"))
    await passed(1)
    server = await other.kernel.awaken_fresh(KEEPER)
    await server.save_state({"count": 100})
    await slow
    assert await one.state(KEEPER) == {"count": 101}


async def test_a_task_that_outlives_its_turn_commits_for_itself() -> None:
    system = await running(Keeper)
    await system.handle(KEEPER, "a", data="later")
    await system.handle(KEEPER, "b")
    await passed(200)
    await asyncio.gather(*Keeper.tasks)
    assert (await memory(system))["by task"] is True


class Row71(BaseAgent):
    """In the manner of specification row 71."""

    async def process(self, event: Event) -> Any:
        if event.data == "retry" and not self.state.get("tried"):
            raise Retryable("not yet")
        self.state["handled"] = [*self.state.get("handled", []), event.id]
        await self.save_state()
        return len(self.state["handled"])


async def test_the_shape_of_row_71_commits_once() -> None:
    system = await running(Row71)
    assert result_of(await system.handle("row71", "a")) == 1
    assert ((await system.head("row71")).version, await system.state("row71")) == (1, {"handled": ["a"]})


class Other(BaseAgent):
    """Writes into another agent's memory."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await self.system_server.remember("from other", True)

    system_server: ClassVar[ContextMCPServer]


async def test_another_agents_context_server_is_not_the_turns() -> None:
    system = await running(Other, Keeper)
    Other.system_server = await system.kernel.awaken_fresh(KEEPER)
    await system.handle("other")
    assert await memory(system) == {"from other": True}
