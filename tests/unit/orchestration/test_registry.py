"""Who there is: types by class and by object, what they declare, and whom an address leads to."""

import asyncio
from types import ModuleType
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import ConfigurationError, InvalidAgentId, InvalidTopic, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.applications import agents_of, routes_of
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Route, Subscription
from tests.systems import passed, result_of, running


class Plain(BaseAgent):
    """Says nothing of itself.

    But for this.
    """


class Declared(BaseAgent):
    name = "declared"
    version = "2.1.0"
    ordering = "strict"
    subscriptions = ("news.* -> {subject}", "alarm")
    groups = ("team",)
    capabilities = ("reading", "writing")
    turn_timeout_seconds = 5.0


def test_a_type_is_described_by_what_it_declares() -> None:
    registry = Registry()
    plain, declared = registry.register(Plain), registry.register(Declared)
    assert (plain.name, plain.strict, plain.subscriptions, plain.version) == ("plain", False, (), "1.0.0")
    assert plain.doc == "Says nothing of itself."
    assert (declared.strict, declared.version, declared.turn_timeout_seconds) == (True, "2.1.0", 5.0)
    assert declared.capabilities == ("reading", "writing")
    assert declared.subscriptions == (
        Subscription("news.*", "declared", "{subject}"),
        Subscription("alarm", "declared"),
        Subscription("aos.group.team", "declared"),
    )
    assert [kind.name for kind in registry.types()] == ["declared", "plain"]


def test_a_class_makes_an_object_for_each_address() -> None:
    kind = Registry().register(Plain)
    one, other = kind.make(AgentId("plain", "a")), kind.make(AgentId("plain", "b"))
    assert one is not other
    assert (one.address, other.agent_id) == (AgentId("plain", "a"), "plain/b")


def test_who_is_not_registered_is_unknown_and_the_system_is_not_shown() -> None:
    registry = Registry()
    registry.register_system(type("Hidden", (BaseAgent,), {"name": "aos.hidden"}))
    with pytest.raises(UnknownAgent, match="no agent is registered as 'nobody'; registered: none"):
        registry.get(AgentId("nobody"))
    registry.register(Plain)
    with pytest.raises(UnknownAgent, match="registered: plain"):
        registry.check_recipient(AgentId("nobody"))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "aos.mine"}, ConfigurationError),
        ({"name": "not a name"}, InvalidAgentId),
        ({"ordering": "random"}, ConfigurationError),
        ({"subscriptions": ("a..b",)}, InvalidTopic),
        ({"subscriptions": ("a -> {nothing}",)}, ConfigurationError),
    ],
)
def test_a_type_that_cannot_be_is_refused(fields: dict[str, Any], error: type[Exception]) -> None:
    registry = Registry()
    with pytest.raises(error):
        registry.register(type("Wrong", (BaseAgent,), fields))
    assert registry.types() == []


def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="derive it from BaseAgent"):
        Registry().register(int)  # type: ignore[arg-type]  # that is the point


def test_registering_the_same_name_again_replaces_it() -> None:
    registry = Registry()
    registry.register(Plain)
    registry.register(type("Other", (BaseAgent,), {"name": "plain", "version": "9"}))
    assert (registry.get(AgentId("plain")).version, registry.changes) == ("9", 2)


# --- objects ----------------------------------------------------------------------------------------------------------


class Clerk(BaseAgent):
    """Counts, slowly."""

    async def on_event(self, event: Event, context: Context) -> Any:
        await asyncio.sleep(event.data or 0)
        self.state["count"] = self.state.get("count", 0) + 1
        return [self.address.tenant, self.state["count"]]


def test_an_object_answers_for_its_own_key_alone() -> None:
    clerk = Clerk("clerk/desk")
    kind = Registry().register(clerk)
    assert kind.make(AgentId("clerk", "desk")) is clerk
    assert kind.make(AgentId("clerk", "desk")) is clerk
    for key in ("", "other"):
        with pytest.raises(UnknownAgent, match="register its class"):
            kind.make(AgentId("clerk", key))


@pytest.mark.virtual_time
async def test_an_object_shares_no_state_between_tenants() -> None:
    system = await running(Clerk("clerk"))
    north, south = AgentId("clerk", "", "north"), AgentId("clerk", "", "south")
    for number in range(1, 4):
        rows = await asyncio.gather(
            system.handle(north, f"{number}", data=2.0),
            system.handle(south, f"{number}", data=1.0),
            system.handle(south, f"{number}b", data=0.5),
        )
        assert sorted(result_of(row) for row in rows) == [
            ["north", number],
            ["south", 2 * number - 1],
            ["south", 2 * number],
        ]
    assert await system.state(north) == {"count": 3}
    assert await system.state(south) == {"count": 6}


@pytest.mark.virtual_time
async def test_classes_share_no_state_between_tenants_and_keys() -> None:
    system = await running(Clerk)
    agents = [AgentId("clerk", key, tenant) for key in ("", "a") for tenant in ("north", "south")]
    for number in range(1, 4):
        rows = await asyncio.gather(*(system.handle(agent, f"{number}", data=1.0) for agent in agents))
        assert [result_of(row) for row in rows] == [[agent.tenant, number] for agent in agents]


# --- a user's module --------------------------------------------------------------------------------------------------


def module(**names: Any) -> ModuleType:
    made = ModuleType("app")
    vars(made).update(names)
    return made


class Mine(BaseAgent):
    """Defined by the module."""


Mine.__module__ = "app"


def test_a_module_brings_the_agents_that_it_defines() -> None:
    assert agents_of(module(Mine=Mine, Plain=Plain, number=5)) == [Mine]


def test_a_module_may_name_its_agents() -> None:
    clerk = Clerk("clerk")
    assert agents_of(module(Mine=Mine, agents=[Plain, clerk])) == [Plain, clerk]


@pytest.mark.parametrize("names", [{}, {"agents": []}, {"Plain": Plain}, {"agents": [5]}, {"agents": [int]}])
def test_a_module_without_agents_is_refused(names: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="app"):
        agents_of(module(**names))


def test_a_module_may_bring_routes() -> None:
    route = Route(agent="mine")
    assert routes_of(module(routes=[route])) == [route]
    assert routes_of(module()) == []
    with pytest.raises(ConfigurationError, match="not a Route"):
        routes_of(module(routes=["mine"]))


class NoInheritance(Declared):
    """Declarations are inherited, the name is not."""

    extra: ClassVar[int] = 1


def test_what_a_class_declares_its_subclass_declares_too() -> None:
    kind = Registry().register(NoInheritance)
    assert (kind.name, kind.strict, kind.capabilities) == ("no_inheritance", True, ("reading", "writing"))


@pytest.mark.virtual_time
async def test_a_type_that_is_replaced_while_its_agent_works_answers_from_the_next_event_on() -> None:
    class Newer(BaseAgent):
        name = "clerk"

        async def on_event(self, event: Event, context: Context) -> Any:
            return "newer"

    system = await running(Clerk)
    working = asyncio.create_task(system.handle("clerk", "1", data=10.0))
    await passed(1)
    system.registry.register(Newer)
    system.kernel.warm.forget_type("clerk")
    assert result_of(await working) == ["default", 1]
    assert result_of(await system.handle("clerk", "2")) == "newer"
