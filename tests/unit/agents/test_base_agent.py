"""What every agent is: named, initialized from what was stored, and saved outside of turns as within them."""

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from AgentOperatingSystem.agents.base_agent import BaseAgent, RestartPolicy, on_failure
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import ConfigurationError, InvalidAgentId, StateUnreadable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.storage.records import Status
from tests.systems import System, result_of, running

pytestmark = pytest.mark.virtual_time


class CamelCaseAgent(BaseAgent):
    """Named by its class."""


class Named(BaseAgent):
    name = "ceo"


class HTTPServer2(BaseAgent):
    """A name with capitals in a row."""


@pytest.mark.parametrize(
    ("kind", "name"), [(CamelCaseAgent, "camel_case_agent"), (Named, "ceo"), (HTTPServer2, "httpserver2")]
)
def test_an_agent_is_named_by_its_class_unless_it_says_otherwise(kind: type[BaseAgent], name: str) -> None:
    assert kind.registered_name() == kind().name == name


def test_a_name_is_not_inherited() -> None:
    class Deputy(Named):
        """Another agent than the one that it is derived from."""

    assert Deputy.registered_name() == "deputy"


@pytest.mark.parametrize(
    ("made", "address"),
    [
        (Named(), AgentId("ceo")),
        (Named("cfo"), AgentId("cfo")),
        (Named("cfo/north"), AgentId("cfo", "north")),
        (Named(name="coo"), AgentId("coo")),
    ],
)
def test_an_object_may_have_an_address_of_its_own(made: BaseAgent, address: AgentId) -> None:
    assert (made.address, made.name, made.agent_id) == (address, address.name, str(address))


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidAgentId):
        Named("not a name")


def test_a_restart_policy_is_one_of_three() -> None:
    assert (on_failure(7).mode, on_failure(7).attempts_max) == ("on_failure", 7)
    with pytest.raises(ConfigurationError, match="none of never, on_failure, always"):
        RestartPolicy("sometimes")


async def test_an_agent_that_overrides_nothing_says_so() -> None:
    system = await running(CamelCaseAgent)
    row = await system.handle("camel_case_agent")
    assert row.status is Status.QUARANTINED
    assert "CamelCaseAgent overrides neither on_event nor process" in row.reason


# --- outside of turns -------------------------------------------------------------------------------------------------


class State(BaseModel):
    count: int = 0
    names: list[str] = []


def add_names(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"names": ["migrated"]}


class Keeper(BaseAgent):
    """Has a typed state of the second schema."""

    state_type = State
    schema = 2
    migrations: ClassVar[Any] = {1: add_names}

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.count += 1
        return self.state.count


def beside(system: System) -> Keeper:
    """An object of the agent that no turn knows."""
    agent = Keeper()
    agent.context_server = ContextMCPServer(agent.address, system.world.store, system.world.blobs)
    return agent


async def test_initialize_loads_what_the_last_event_left() -> None:
    system = await running(Keeper)
    fresh = beside(system)
    await fresh.initialize()
    assert fresh.state == State()
    for _ in range(3):
        await system.handle("keeper")
    again = beside(system)
    await again.initialize()
    assert again.state == State(count=3)


async def test_a_state_saved_outside_is_what_the_next_event_finds() -> None:
    system = await running(Keeper)
    agent = beside(system)
    await agent.initialize()
    agent.state.count = 40
    await agent.save_state()
    assert result_of(await system.handle("keeper")) == 41
    assert (await system.head("keeper")).schema == 2
    assert await system.state("keeper") == {"count": 41, "names": []}, "not migrated once more"


async def test_an_older_state_is_migrated_when_it_is_loaded() -> None:
    system = await running(Keeper)
    server = await system.kernel.awaken_fresh(AgentId("keeper"))
    await server.save_state({"count": 5}, 1)
    agent = beside(system)
    await agent.initialize()
    assert agent.state == State(count=5, names=["migrated"])


async def test_a_state_that_cannot_be_read_is_not_replaced() -> None:
    system = await running(Keeper)
    server = await system.kernel.awaken_fresh(AgentId("keeper"))
    await server.save_state({"count": "many"}, 2)
    with pytest.raises(StateUnreadable):
        await beside(system).initialize()


async def test_initialize_within_a_turn_changes_nothing() -> None:
    class Nervous(Keeper):
        async def on_event(self, event: Event, context: Context) -> Any:
            self.state.count += 1
            await self.initialize()
            return self.state.count

    system = await running(Nervous)
    await system.handle("nervous")
    assert result_of(await system.handle("nervous")) == 2


async def test_a_state_that_was_given_before_stays_where_nothing_is_stored() -> None:
    system = await running(Keeper)
    agent = beside(system)
    agent.state = State(count=9)
    await agent.initialize()
    assert agent.state == State(count=9)
