"""Time travel: differences between moments, and forks."""

from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Conflict, InvalidInput, NotFound, UnknownAgent, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import user
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.travel import TimeDesk
from tests.systems import System, passed, running

pytestmark = pytest.mark.virtual_time
CLERK = AgentId("clerk", "a")


class Clerk(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["seen"] = [*self.state.get("seen", []), event.id]
        await context.remember("last", event.id)
        await context.conversation().append(user(event.id))
        await context.schedule("later", after_seconds=10_000)
        return len(self.state["seen"])


@pytest.fixture
async def system() -> System:
    made = await running(Clerk, rules=Rules(history_states="all"))
    for number in range(4):
        await made.handle(CLERK, str(number))
    return made


def desk(system: System) -> TimeDesk:
    return TimeDesk(system.parts, system.kernel, system.archive)


async def test_what_one_event_changed(system: System) -> None:
    diff = await desk(system).diff_at(CLERK, "/test", "2")
    assert [(each.path, each.change, each.after) for each in diff.changes] == [("/seen/2", "added", "2")]
    first = await desk(system).diff_at(CLERK, "/test", "0")
    assert [(each.path, each.change, each.after) for each in first.changes] == [("", "changed", {"seen": ["0"]})]


async def test_between_two_versions_and_until_now(system: System) -> None:
    diff = await desk(system).diff(CLERK, 1, 3)
    assert [each.path for each in diff.changes] == ["/seen/1", "/seen/2"]
    assert (diff.before.version, diff.after.version) == (1, 3)
    assert [each.after for each in (await desk(system).diff(CLERK, 3)).changes] == ["3"]
    with pytest.raises(NotFound):
        await desk(system).diff(CLERK, 0)
    with pytest.raises(UnknownAgent):
        await desk(system).diff(AgentId("clerk", "b"), 1)
    with pytest.raises(UnknownEvent):
        await desk(system).diff_at(CLERK, "/test", "none")


async def test_a_fork_goes_on_from_the_past_and_the_origin_is_as_it_was(system: System) -> None:
    target = AgentId("clerk", "fork")
    forked = await desk(system).fork(CLERK, "/test", "1", target)
    assert (forked.version, forked.memory, forked.conversations, forked.unknown) == (2, 1, 1, ())
    assert await system.state(target) == {"seen": ["0", "1"]}
    server = await system.kernel.awaken_fresh(target)
    assert await server.recall("last") == "1"
    assert (await system.head(target)).next_tick == 0
    assert await system.rows(target) == {}
    await system.handle(target, "new")
    assert (await system.state(target))["seen"] == ["0", "1", "new"]
    assert len((await system.state(CLERK))["seen"]) == 4
    await passed(15_000)
    assert [row.event.type for row in (await system.rows(target)).values()] == ["test.happened", "aos.schedule"]


async def test_what_exists_or_is_another_type_is_refused(system: System) -> None:
    with pytest.raises(InvalidInput):
        await desk(system).fork(CLERK, "/test", "1", AgentId("other", "x"))
    with pytest.raises(InvalidInput):
        await desk(system).fork(CLERK, "/test", "1", CLERK)
    await system.handle("clerk/there")
    with pytest.raises(Conflict, match="exists"):
        await desk(system).fork(CLERK, "/test", "1", AgentId("clerk", "there"))
