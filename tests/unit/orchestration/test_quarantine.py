"""The quarantine: seen over all agents of a tenant, redriven with all attempts, edited, dropped; the unrouted too."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.errors import InvalidEvent, Quarantine, Terminal, TooLarge, UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.routes import UNROUTED, Route
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.clocks import CLOCK
from tests.systems import DAY_SECONDS, System, event, passed, result_of, running

pytestmark = pytest.mark.virtual_time
PICKY = AgentId("picky")


class Picky(BaseAgent):
    """Takes only numbers, once it is mended; says how often it was asked."""

    mended: ClassVar[bool] = False
    attempts: ClassVar[list[tuple[str, int]]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        self.attempts.append((event.id, context.attempt))
        if event.data == "crash":
            raise ZeroDivisionError("bug")
        if not self.mended and not isinstance(event.data, int):
            raise Quarantine(f"not a number: {event.data!r}")
        await context.send("listener", event.data)
        self.state.setdefault("seen", []).append(event.data)
        return "taken"


class Listener(BaseAgent):
    """Keeps what it hears."""

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("heard", []).append(event.data)


@pytest.fixture(autouse=True)
def unmended() -> None:
    Picky.mended = False
    Picky.attempts.clear()


async def quarantined(system: System, *data: Any) -> list[EventRow]:
    return [await system.handle(PICKY, f"q{number}", data=each) for number, each in enumerate(data)]


async def test_it_is_listed_over_all_agents_of_a_tenant() -> None:
    system = await running(Picky, Listener)
    for key in "abc":
        await system.handle(AgentId("picky", key), "1", data="x")
    await system.handle(AgentId("picky", "", "other"), "1", data="x")
    listed = await system.quarantine.list("default")
    assert [str(row.event.agent) for row in listed.items] == ["picky/a", "picky/b", "picky/c"]
    page = await system.quarantine.list("default", limit=2)
    rest = await system.quarantine.list("default", page.after, 2)
    assert len(page.items) + len(rest.items) == 3
    assert [row.event.tenant for row in (await system.quarantine.list("other")).items] == ["other"]


async def test_it_is_shown_with_its_reason() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "x")
    shown = await system.quarantine.show(PICKY, row.key)
    assert shown.reason == "quarantine: not a number: 'x'"
    await system.handle(PICKY, "fine", data=1)
    for key in ("0" * 32, (await system.row(PICKY, "fine")).key):
        with pytest.raises(UnknownEvent, match="no quarantined event"):
            await system.quarantine.show(PICKY, key)


async def test_it_is_redriven_with_all_its_attempts() -> None:
    system = await running(Picky, Listener, rules=Rules(attempts_max=2))
    (row,) = await quarantined(system, "crash")
    assert row.attempts == 2
    await system.quarantine.redrive(PICKY, row.key)
    await passed(100)
    assert Picky.attempts == [("q0", 1), ("q0", 2)] * 2
    row = await system.row(PICKY, "q0")
    assert (row.status, row.attempts, row.event.generation) == (Status.QUARANTINED, 2, 1)


async def test_after_the_agent_is_mended_it_goes_through() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "x")
    Picky.mended = True
    moved = await system.quarantine.redrive(PICKY, row.key)
    assert (moved.status, moved.attempts) == (Status.PARKED, 0)
    await passed(1)
    row = await system.row(PICKY, "q0")
    assert (row.status, result_of(row)) == (Status.DONE, "taken")
    assert await system.state("listener") == {"heard": ["x"]}
    assert (await system.quarantine.list("default")).items == ()


async def test_it_may_be_edited() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "seven")
    await system.quarantine.redrive(PICKY, row.key, 7)
    await passed(1)
    row = await system.row(PICKY, "q0")
    assert (row.status, row.event.data) == (Status.DONE, 7)
    assert await system.state("listener") == {"heard": [7]}
    again = await system.handle(PICKY, "q0", data=7)
    assert again.key == row.key, "the edited body is the event's body now"


@pytest.mark.parametrize(
    ("data", "error"), [(object(), InvalidEvent), ("x" * 5000, TooLarge), ("\ud800", InvalidEvent)]
)
async def test_an_edit_is_checked_as_every_event_is(data: Any, error: type[Exception]) -> None:
    system = await running(Picky, Listener, limits=Limits(event_bytes_max=1000))
    (row,) = await quarantined(system, "x")
    with pytest.raises(error):
        await system.quarantine.redrive(PICKY, row.key, data)
    assert (await system.row(PICKY, "q0")).status is Status.QUARANTINED


async def test_of_two_redrives_one_is_refused() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "x")
    Picky.mended = True
    outcomes = await asyncio.gather(
        *(system.quarantine.redrive(PICKY, row.key) for _ in range(5)), return_exceptions=True
    )
    await passed(10)
    assert sum(isinstance(each, EventRow) for each in outcomes) == 1
    assert all(isinstance(each, EventRow | UnknownEvent) for each in outcomes)
    assert await system.state("listener") == {"heard": ["x"]}


async def test_it_goes_behind_what_waits_already() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "x")
    Picky.mended = True
    await system.lifecycle.control(PICKY, "pause")
    await system.send(PICKY, "a", data="a")
    await passed(1)
    await system.quarantine.redrive(PICKY, row.key)
    await system.send(PICKY, "b", data="b")
    await passed(1)
    await system.lifecycle.control(PICKY, "resume")
    await passed(1)
    assert await system.state("listener") == {"heard": ["a", "x", "b"]}


async def test_it_may_be_dropped_and_stays_known() -> None:
    system = await running(Picky, Listener)
    (row,) = await quarantined(system, "x")
    dropped = await system.quarantine.drop(PICKY, row.key, "a mistake")
    assert (dropped.status, dropped.reason) == (Status.CANCELLED, "dropped: a mistake")
    Picky.mended = True
    again = await system.handle(PICKY, "q0", data="x")
    assert again.status is Status.CANCELLED
    with pytest.raises(UnknownEvent):
        await system.quarantine.redrive(PICKY, row.key)
    assert await system.state("listener") is None


async def test_while_the_agent_works_the_desk_wins_its_races() -> None:
    system = await running(Picky, Listener)
    rows = await quarantined(system, *(f"x{number}" for number in range(10)))
    Picky.mended = True
    work = [system.handle(PICKY, f"w{number}", data=number) for number in range(50)]
    await asyncio.gather(*work, *(system.quarantine.redrive(PICKY, row.key) for row in rows))
    await passed(10)
    state = await system.state("listener")
    assert len(state["heard"]) == 60
    assert (await system.quarantine.list("default")).items == ()


# --- unrouted events --------------------------------------------------------------------------------------------------

ORDER = Event(type="shop.order", source="/shop", id="1", data={"n": 1})


async def test_an_event_that_no_route_matches_is_kept_and_goes_on_when_there_is_one() -> None:
    system = await running(Picky, Listener, routes=[Route(agent="picky", type="bank.#")])
    row = await system.mailroom.process(ORDER)
    assert row is not None
    assert (row.status, str(row.event.agent)) == (Status.QUARANTINED, UNROUTED)
    assert "no declared route matches type 'shop.order'" in row.reason
    kept = AgentId(UNROUTED)
    assert await system.quarantine.redrive(kept, row.key) == row, "there is still no route"
    system.mailroom.routes.append(Route(agent="listener", type="shop.#"))
    moved = await system.quarantine.redrive(kept, row.key)
    assert (moved.status, moved.reason) == (Status.DONE, "routed to listener")
    await passed(1)
    assert await system.state("listener") == {"heard": [{"n": 1}]}
    with pytest.raises(UnknownEvent):
        await system.quarantine.redrive(kept, row.key)


async def test_an_unrouted_event_of_last_year_can_still_be_routed() -> None:
    system = await running(Listener)
    row = await system.mailroom.process(ORDER)
    assert row is not None
    await passed(400 * DAY_SECONDS)
    system.mailroom.routes.append(Route(agent="listener"))
    await system.quarantine.redrive(AgentId(UNROUTED), row.key)
    await passed(1)
    assert await system.state("listener") == {"heard": [{"n": 1}]}


async def test_an_unrouted_event_may_be_edited_until_a_route_takes_it() -> None:
    system = await running(Listener)
    row = await system.mailroom.process(ORDER)
    assert row is not None
    system.mailroom.routes.append(Route(agent="listener", key="{data.who}"))
    await system.quarantine.redrive(AgentId(UNROUTED), row.key, {"who": "me"})
    await passed(1)
    assert await system.state(AgentId("listener", "me")) == {"heard": [{"who": "me"}]}


async def test_each_tenant_has_its_own_unrouted_events() -> None:
    system = await running(Listener)
    for tenant in ("default", "other"):
        await system.mailroom.process(Event(type="t", id="1", tenant=tenant))
    assert [row.event.tenant for row in (await system.quarantine.list("other")).items] == ["other"]


async def test_what_a_route_cannot_address_is_unrouted() -> None:
    system = await running(Listener, routes=[Route(agent="listener", key="{subject}")])
    row = await system.mailroom.process(Event(type="t", id="1", subject="a\nb"))
    assert row is not None
    assert str(row.event.agent) == UNROUTED


async def test_a_publication_that_no_subscriber_can_be_given_is_kept_and_hurts_nobody() -> None:
    class Board(BaseAgent):
        subscriptions = ("news -> {data.who}",)

        async def on_event(self, event: Event, context: Context) -> Any:
            return "heard"

    class Publisher(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            await context.publish("news", {"who": event.data})

    system = await running(Board, Publisher)
    for who in ("a\nb", "x" * 1000, "me"):
        assert (await system.handle("publisher", data=who)).status is Status.DONE
    await passed(1)
    kept = (await system.quarantine.list("default")).items
    assert len(kept) == 2
    assert all("key template" in row.reason for row in kept)
    assert len(await system.rows(AgentId("board", "me"))) == 1


async def test_a_terminal_event_is_no_matter_for_the_desk() -> None:
    class Refusing(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            raise Terminal("no")

    system = await running(Refusing)
    row = await system.handle("refusing", "1")
    with pytest.raises(UnknownEvent):
        await system.quarantine.redrive(AgentId("refusing"), row.key)
    assert (await system.quarantine.list("default")).items == ()


async def test_a_redriven_event_that_killed_hosts_begins_with_a_clean_record() -> None:
    system = await running(Picky, Listener)
    await system.send_together(event(PICKY, "k", data=1, crashes=3))
    await passed(1)
    row = await system.row(PICKY, "k")
    assert (row.status, row.reason) == (Status.QUARANTINED, "3 hosts died while they handled it")
    await system.quarantine.redrive(PICKY, row.key)
    await passed(1)
    assert (await system.row(PICKY, "k")).status is Status.DONE
    assert CLOCK.now() > 0
