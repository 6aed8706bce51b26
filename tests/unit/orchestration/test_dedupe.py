"""An event is applied once, by its identity (tenant, agent, source, id), however often and whence it comes."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import EventFailed, EventInFlight, IdempotencyKeyReused, InvalidEvent, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import DAY_SECONDS, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time


class Counter(BaseAgent):
    """Counts what it handled, and takes as long as it is told."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if isinstance(event.data, float):
            await asyncio.sleep(event.data)
        self.state["count"] = self.state.get("count", 0) + 1
        return self.state["count"]


async def test_the_same_event_again_answers_what_it_did_the_first_time() -> None:
    system = await running(Counter)
    rows = [await system.handle("counter", "1", data="x") for _ in range(3)]
    assert [result_of(row) for row in rows] == [1, 1, 1]
    assert await system.state("counter") == {"count": 1}


async def test_a_duplicate_is_known_by_an_agent_that_was_forgotten() -> None:
    system = await running(Counter)
    await system.handle("counter", "1")
    system.kernel.warm.forget(AgentId("counter"))
    assert result_of(await system.handle("counter", "1")) == 1
    other = await running(Counter, world=system.world)
    assert result_of(await other.handle("counter", "1")) == 1
    assert await system.state("counter") == {"count": 1}


async def test_duplicates_in_one_turn_and_in_flight_are_one() -> None:
    system = await running(Counter)
    same = [system.handle("counter", "1", data=5.0) for _ in range(20)]
    rows = await asyncio.gather(*same, *(system.handle("counter", "1", data=5.0) for _ in range(20)))
    assert {result_of(row) for row in rows} == {1}
    assert await system.state("counter") == {"count": 1}


async def test_a_duplicate_beside_new_events_costs_them_nothing() -> None:
    system = await running(Counter)
    await system.handle("counter", "old")
    await system.send_together(*(event("counter", name) for name in ("new", "old", "newer", "new", "old")))
    await passed(1)
    assert await system.state("counter") == {"count": 3}
    assert await system.statuses("counter") == {"old": "done", "new": "done", "newer": "done"}


@pytest.mark.parametrize(
    "other",
    [
        {"agent": "counter/key"},
        {"agent": AgentId("counter", "", "tenant2")},
        {"event_id": "2"},
        {"source": "/elsewhere"},
    ],
    ids=["key", "tenant", "id", "source"],
)
async def test_another_identity_is_another_event(other: dict[str, Any]) -> None:
    system = await running(Counter)
    first: dict[str, Any] = {"agent": "counter", "event_id": "1", "source": "/test"}
    await system.handle(**first)
    row = await system.handle(**first | other)
    assert row.status is Status.DONE
    same_agent = "agent" not in other
    assert result_of(row) == (2 if same_agent else 1)
    assert await system.state("counter") == {"count": 2 if same_agent else 1}


async def test_a_reused_key_with_another_body_is_refused() -> None:
    system = await running(Counter)
    await system.handle("counter", "1", data="mine")
    for again in (system.handle("counter", "1", data="yours"), system.send("counter", "1", data="yours")):
        with pytest.raises(IdempotencyKeyReused, match="'1'"):
            await again
    others: list[dict[str, Any]] = [{"type": "other"}, {"subject": "other"}]
    for fields in others:
        with pytest.raises(IdempotencyKeyReused):
            await system.handle("counter", "1", data="mine", **fields)
    assert IdempotencyKeyReused.status == 422
    assert await system.state("counter") == {"count": 1}


async def test_a_reused_key_while_the_first_is_in_flight_is_refused_for_now() -> None:
    system = await running(Counter)
    first = asyncio.create_task(system.handle("counter", "1", data=10.0))
    await passed(1)
    for again in (system.handle("counter", "1", data="other"), system.send("counter", "1", data="other")):
        with pytest.raises(EventInFlight) as refused:
            await again
        assert refused.value.retry_after_seconds
    assert EventInFlight.status == 409
    assert result_of(await first) == 1


async def test_a_reused_key_of_a_scheduled_event_is_refused() -> None:
    system = await running(Counter)
    await system.send("counter", "1", data="mine", due=CLOCK.now() + 60)
    for again in (system.handle("counter", "1", data="yours"), system.send("counter", "1", data="yours")):
        with pytest.raises(EventInFlight):
            await again
    await passed(61)
    assert await system.state("counter") == {"count": 1}


async def test_accepting_twice_answers_the_row_once_it_is_there() -> None:
    system = await running(Counter)
    accepted, row = await system.mailroom.accept(event("counter", "1"))
    assert row is None
    await passed(1)
    again, row = await system.mailroom.accept(event("counter", "1"))
    assert (again.agent, row is not None and row.status) == (accepted.agent, Status.DONE)
    assert await system.state("counter") == {"count": 1}


async def test_an_event_beyond_the_window_is_refused() -> None:
    system = await running(Counter, dedupe_seconds=30 * DAY_SECONDS)
    old = CLOCK.now() - 31 * DAY_SECONDS
    for attempt in (system.handle("counter", "1", time=old), system.send("counter", "1", time=old)):
        with pytest.raises(InvalidEvent, match="31 days old, beyond the dedupe window"):
            await attempt
    await system.handle("counter", "2", time=CLOCK.now() - 29 * DAY_SECONDS)
    assert await system.state("counter") == {"count": 1}


async def test_an_event_for_nobody_is_refused() -> None:
    system = await running(Counter)
    with pytest.raises(UnknownAgent, match="registered: counter"):
        await system.send("nobody")


async def test_the_senders_object_may_change_afterwards() -> None:
    system = await running(Counter)
    data = {"list": [1]}
    sent = asyncio.create_task(system.send("counter", "1", data=data))
    await sent
    data["list"].append(2)
    await passed(1)
    assert (await system.row("counter", "1")).event.data == {"list": [1]}


async def test_an_end_other_than_done_is_an_error_for_who_waits() -> None:
    class Refuses(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            from AgentOperatingSystem.errors import Terminal

            raise Terminal("never")

    system = await running(Refuses)
    row = await system.handle("refuses", "1")
    with pytest.raises(EventFailed, match="'1' is failed: terminal: never"):
        Mailroom.result_of(row)
