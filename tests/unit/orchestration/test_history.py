"""States as they were: kept by policy in the turn's own commit, found again, trimmed, and told apart."""

from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import NotFound, Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import user
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.history import Difference, Moment, Past, differences
from AgentOperatingSystem.orchestration.retention import expire, trim_states
from AgentOperatingSystem.storage.collector import collect
from AgentOperatingSystem.storage.records import STATE
from tests.clocks import CLOCK
from tests.systems import System, event, passed, running

pytestmark = pytest.mark.virtual_time
TALLY = AgentId("tally")


class Tally(BaseAgent):
    fails = 0

    async def on_event(self, event: Event, context: Context) -> Any:
        data = event.data if isinstance(event.data, dict) else {"add": event.data or 1}
        if data.get("steps"):
            await context.step("one", str, 1)
        if Tally.fails:
            Tally.fails -= 1
            raise Retryable(after_seconds=1)
        self.state["n"] = self.state.get("n", 0) + data["add"]
        self.state["fill"] = "x" * data.get("fill", 0)
        await context.remember("last", event.id)
        if data.get("once"):
            await context.remember("once", event.id)
        await context.conversation().append(user(event.id))
        return self.state["n"]


async def keeping(policy: str, **parts: Any) -> System:
    return await running(Tally, rules=Rules(history_states=policy, backoff_base_seconds=2.0), **parts)


def n_of(moment: Moment) -> Any:
    state = msgspec.json.decode(moment.kept.state)
    return state.get("n") if state else None


async def row_count(system: System) -> int:
    return len((await system.world.store.rows(TALLY, STATE, limit=1000)).items)


async def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    for policy, data in (("off", {"add": 1, "steps": True}), ("steps", 1)):
        system = await keeping(policy)
        await system.handle("tally", "1", data=data)
        assert await row_count(system) == 0
        assert not (await system.head("tally")).keeps_states
        with pytest.raises(NotFound, match="history_states"):
            await Past(system.parts, TALLY).left_by(await system.row("tally", "1"))


async def test_around_events_with_steps_the_states_are_those_that_were() -> None:
    system = await keeping("steps")
    await system.handle("tally", "1", data=10)
    Tally.fails = 1
    await system.handle("tally", "2", data={"add": 5, "steps": True})
    await system.handle("tally", "3", data={"add": 7, "steps": True})
    await system.handle("tally", "4", data=100)
    await system.handle("tally", "5", data={"add": 1, "steps": True})
    past = Past(system.parts, TALLY)
    rows = await system.rows("tally")
    found = {name: (n_of(await past.found_by(rows[name])), n_of(await past.left_by(rows[name]))) for name in "235"}
    assert found == {"2": (10, 15), "3": (15, 22), "5": (122, 123)}


async def test_with_all_every_event_of_a_turn_has_its_state() -> None:
    system = System(Tally, rules=Rules(history_states="all"))
    await system.send_together(*(event("tally", str(number), data=1) for number in range(5)))
    system.pump.start()
    await passed(1)
    past, rows = Past(system.parts, TALLY), await system.rows("tally")
    assert {row.version for row in rows.values()} == {1}
    for number in range(5):
        row = rows[str(number)]
        assert (n_of(await past.found_by(row)), n_of(await past.left_by(row))) == (number or None, number + 1)
    assert n_of(await past.at_version(1)) == 5


async def test_a_large_state_is_a_blob_that_the_collector_leaves() -> None:
    system = await keeping("all", inline_bytes_max=200)
    for number in range(3):
        await system.handle("tally", str(number), data={"add": 1, "fill": 500 + number})
    await passed(1000)
    blobs = system.world.blobs
    assert await collect(system.world.store, blobs, 10.0, CLOCK) == 2  # the heads' own states of earlier
    past, rows = Past(system.parts, TALLY), await system.rows("tally")
    assert [n_of(await past.left_by(rows[str(number)])) for number in range(3)] == [1, 2, 3]


async def test_the_oldest_go_first_and_expired_events_take_theirs_along() -> None:
    system = await keeping("all")
    for number in range(20):
        await system.handle("tally", str(number))
    assert await trim_states(system.parts, 5, 0.0) == 16  # one more than events: what the first has found
    past, rows = Past(system.parts, TALLY), await system.rows("tally")
    assert n_of(await past.left_by(rows["19"])) == 20
    with pytest.raises(NotFound):
        await past.left_by(rows["14"])
    assert await trim_states(system.parts, 2, CLOCK.now() + 1) == 0
    await passed(100)
    await expire(system.parts, CLOCK.now() - 1)
    assert (await row_count(system), await system.rows("tally")) == (0, {})


async def test_memory_and_conversations_as_they_were() -> None:
    system = await keeping("all")
    for number in range(4):
        await system.handle("tally", str(number), data={"add": 1, "once": number == 2})
    past = Past(system.parts, TALLY)
    moment = await past.left_by(await system.row("tally", "1"))
    rows, unknown = await past.rows_at(moment)
    assert rows["memory", "last"] == b'"1"'
    assert ("memory", "once") not in rows
    assert len([name for kind, name in rows if kind == "message"]) == 2
    assert unknown == ["memory once"]
    rows, unknown = await past.rows_at(await past.left_by(await system.row("tally", "3")))
    assert (rows["memory", "last"], rows["memory", "once"], unknown) == (b'"3"', b'"2"', [])


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Difference("/a", "changed", 1, 2)]),
        ({"a": 1}, {}, [Difference("/a", "removed", 1)]),
        ({}, {"a/b~": None}, [Difference("/a~1b~0", "added", None, None)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [Difference("/a/1", "changed", 2, 3), Difference("/a/2", "added", None, 4)]),
        (None, {"a": 1}, [Difference("", "changed", None, {"a": 1})]),
        (1, 1.0, [Difference("", "changed", 1, 1.0)]),
        ({"a": True}, {"a": 1}, [Difference("/a", "changed", True, 1)]),
    ],
)
def test_differences_by_path(before: Any, after: Any, found: list[Difference]) -> None:
    assert differences(before, after) == found
