"""Lives of agents: every legal and every illegal move, and what becomes of that which waits and that which runs."""

import asyncio
from typing import Any, ClassVar

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import AgentTerminated, IllegalTransition, Quarantine, Retryable, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.lifecycle import MOVES, STATES, state_of
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.reliability import StateMachine
from AgentOperatingSystem.storage.records import Control, Head, Status
from tests.systems import System, event, passed, running

WORKER = AgentId("worker")
ACTIONS = ("initialize", "start", "wake", "idle", "pause", "resume", "stop", "terminate")
TABLE = """
             initialize   start        wake     idle      pause   resume    stop     terminate
created      initialized  created      -        -         paused  created   stopped  terminated
initialized  -            running      -        -         paused  sleeping  stopped  terminated
running      -            running      -        sleeping  paused  sleeping  stopped  terminated
sleeping     -            sleeping     running  -         paused  sleeping  stopped  terminated
paused       -            -            -        -         paused  sleeping  stopped  terminated
stopped      -            sleeping     -        -         -       -         stopped  terminated
terminated   -            -            -        -         -       -         -        terminated
"""


def rows() -> list[tuple[str, str, str]]:
    """(state, action, state after or -) for every pair of state and action."""
    head, *lines = (line.split() for line in TABLE.strip().splitlines())
    return [(line[0], action, after) for line in lines for action, after in zip(head, line[1:], strict=True)]


def test_the_table_has_every_state_and_every_action() -> None:
    assert {(state, action) for state, action, _ in rows()} == {(s, a) for s in STATES for a in ACTIONS}
    assert {action for _, action, _ in MOVES} == set(ACTIONS)


@pytest.mark.parametrize(("before", "action", "after"), rows())
def test_every_move(before: str, action: str, after: str) -> None:
    machine = StateMachine(list(STATES), list(MOVES), initial=before)
    if after == "-":
        with pytest.raises(IllegalTransition):
            machine.fire(action)
        assert machine.state == before
    else:
        machine.fire(action)
        assert machine.state == after


@pytest.mark.parametrize(
    ("fields", "running", "state"),
    [
        (None, False, "created"),
        (None, True, "running"),
        ({}, False, "initialized"),
        ({}, True, "running"),
        ({"handled": 1}, False, "sleeping"),
        ({"handled": 1}, True, "running"),
        ({"control": Control.PAUSED, "handled": 1}, True, "paused"),
        ({"control": Control.STOPPED}, False, "stopped"),
        ({"control": Control.TERMINATED}, True, "terminated"),
    ],
)
def test_the_state_that_a_head_amounts_to(fields: dict[str, Any] | None, running: bool, state: str) -> None:
    head = Head(agent=WORKER, **fields) if fields is not None else None
    assert state_of(head, running=running) == state


# --- on a running system ----------------------------------------------------------------------------------------------


class Worker(BaseAgent):
    """Works as long as an event says, and records when it was done."""

    begun: ClassVar[list[str]] = []
    done: ClassVar[list[str]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        self.begun.append(event.id)
        if event.data == "fails":
            raise Retryable("later", after_seconds=1000)
        if event.data == "aside":
            raise Quarantine("aside")
        if event.data == "schedules":
            await context.schedule("daily", cron="0 0 * * *")
        await asyncio.sleep(event.data if isinstance(event.data, float) else 0)
        self.done.append(event.id)
        self.state["count"] = self.state.get("count", 0) + 1
        await context.remember(event.id, True)
        return self.state["count"]


pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    Worker.begun.clear()
    Worker.done.clear()


async def send(system: System, names: str, **fields: Any) -> None:
    for name in names:
        await system.send(WORKER, name, **fields)
        await passed(1)


async def test_states_of_one_life() -> None:
    system = await running(Worker)
    control, state = system.lifecycle.control, system.lifecycle.state
    assert await state(WORKER) == "created"
    assert await control(WORKER, "initialize") == "initialized"
    working = asyncio.create_task(system.handle(WORKER, "a", data=10.0))
    await passed(1)
    assert await state(WORKER) == "running"
    await working
    assert await state(WORKER) == "sleeping"
    assert await control(WORKER, "pause", "lunch") == await state(WORKER) == "paused"
    assert (await system.head(WORKER)).reason == "lunch"
    assert await control(WORKER, "resume") == "sleeping"
    assert (await system.head(WORKER)).reason == ""
    assert await control(WORKER, "stop", "bug") == await state(WORKER) == "stopped"
    assert await control(WORKER, "start") == "sleeping"
    assert await control(WORKER, "terminate", "old") == await state(WORKER) == "terminated"


async def test_a_type_that_is_not_registered_has_no_life() -> None:
    system = await running(Worker)
    for ask in (system.lifecycle.state(AgentId("nobody")), system.lifecycle.control(AgentId("nobody"), "pause")):
        with pytest.raises(UnknownAgent):
            await ask


@pytest.mark.parametrize(
    ("before", "action"), [("stop", "pause"), ("stop", "resume"), ("pause", "start"), ("pause", "wake")]
)
async def test_an_illegal_move_says_so_and_changes_nothing(before: str, action: str) -> None:
    system = await running(Worker)
    await system.lifecycle.control(WORKER, before)
    head = await system.head(WORKER)
    with pytest.raises(IllegalTransition, match="worker"):
        await system.lifecycle.control(WORKER, action)
    assert await system.head(WORKER) == head


async def test_asking_for_what_is_so_commits_nothing() -> None:
    system = await running(Worker)
    for action in ("pause", "stop", "terminate"):
        await system.lifecycle.control(WORKER, action)
        version = (await system.head(WORKER)).version
        await system.lifecycle.control(WORKER, action)
        assert (await system.head(WORKER)).version == version


async def test_control_is_seen_in_the_history() -> None:
    system = await running(Worker)
    await system.lifecycle.control(WORKER, "pause", "lunch")
    await system.lifecycle.control(WORKER, "resume")
    entries = [row.event for row in (await system.rows(WORKER)).values()]
    assert [(entry.type, entry.data) for entry in entries] == [
        ("aos.agent.pause", {"reason": "lunch"}),
        ("aos.agent.resume", None),
    ]


@pytest.mark.parametrize(("hold", "go_on"), [("pause", "resume"), ("stop", "start")])
async def test_a_held_agent_keeps_its_mailbox_and_its_order(hold: str, go_on: str) -> None:
    system = await running(Worker)
    await system.handle(WORKER, "-")
    await system.lifecycle.control(WORKER, hold)
    await send(system, "abcdef")
    await passed(100 * 86_400)
    assert Worker.done == ["-"]
    assert (await system.row(WORKER, "a")).reason.startswith("the agent is ")
    await system.lifecycle.control(WORKER, go_on)
    await passed(1)
    assert Worker.done == list("-abcdef")
    assert (await system.head(WORKER)).backlog == 0


async def test_an_agent_may_be_held_before_its_first_event() -> None:
    system = await running(Worker)
    await system.lifecycle.control(WORKER, "pause")
    await send(system, "abc")
    assert Worker.done == []
    await system.lifecycle.control(WORKER, "resume")
    await passed(1)
    assert Worker.done == list("abc")


async def test_who_waits_for_an_event_of_a_paused_agent_is_answered_after_the_resume() -> None:
    system = await running(Worker)
    await system.lifecycle.control(WORKER, "pause")
    waiting = asyncio.create_task(system.handle(WORKER, "a"))
    await passed(1000)
    assert not waiting.done()
    await system.lifecycle.control(WORKER, "resume")
    assert (await waiting).status is Status.DONE


async def test_stop_breaks_off_the_handler_that_runs_and_keeps_its_event() -> None:
    system = await running(Worker)
    await system.send(WORKER, "a", data=10_000.0)
    await passed(1)
    await system.lifecycle.control(WORKER, "stop")
    await passed(1)
    assert (Worker.begun, Worker.done) == (["a"], [])
    assert await system.lifecycle.state(WORKER) == "stopped"
    row = await system.row(WORKER, "a")
    assert (row.status, row.attempts) == (Status.PARKED, 0)
    assert await system.state(WORKER) is None


async def test_what_was_broken_off_runs_again_after_the_start() -> None:
    system = await running(Worker)
    await system.send(WORKER, "a", data=50.0)
    await passed(1)
    await system.lifecycle.control(WORKER, "stop")
    await system.lifecycle.control(WORKER, "start")
    await passed(60)
    assert (Worker.begun, Worker.done) == (["a", "a"], ["a"])
    assert await system.state(WORKER) == {"count": 1}


async def test_an_agent_that_stops_itself_is_stopped_and_hurts_nobody() -> None:
    class Suicidal(BaseAgent):
        system: ClassVar[System]

        async def on_event(self, event: Event, context: Context) -> Any:
            await self.system.lifecycle.control(context.agent, "stop", "had enough")
            return "unheard"

    system = Suicidal.system = await running(Suicidal, Worker)
    await system.send("suicidal", "a")
    await passed(5)
    assert await system.lifecycle.state(AgentId("suicidal")) == "stopped"
    assert await system.statuses("suicidal") == {"a": "parked"} | {
        name: "done" for name in await system.statuses("suicidal") if name != "a"
    }
    assert (await system.handle(WORKER, "b")).status is Status.DONE
    await system.lifecycle.control(AgentId("suicidal"), "terminate")
    await passed(5)
    assert (await system.row("suicidal", "a")).status is Status.CANCELLED


# --- terminate --------------------------------------------------------------------------------------------------------


async def test_terminate_cancels_what_waits_and_what_runs() -> None:
    system = await running(Worker)
    await system.send(WORKER, "retried", data="fails")
    await passed(1)
    await system.handle(WORKER, "done")
    await system.handle(WORKER, "aside", data="aside")
    await system.send(WORKER, "runs", data=10_000.0)
    await passed(1)
    await send(system, "ab")
    await system.lifecycle.control(WORKER, "terminate", "retired")
    await passed(2000)
    statuses = await system.statuses(WORKER)
    assert {name: statuses[name] for name in ("retried", "runs", "a", "b")} == dict.fromkeys(
        ("retried", "runs", "a", "b"), "cancelled"
    )
    assert (statuses["done"], statuses["aside"]) == ("done", "quarantined")
    assert (await system.row(WORKER, "runs")).reason == "the agent was terminated: retired"
    assert Worker.done == ["done"]


async def test_who_waits_learns_that_his_event_was_cancelled() -> None:
    system = await running(Worker)
    waiting = asyncio.create_task(system.handle(WORKER, "a", data=10_000.0))
    await passed(1)
    await system.lifecycle.control(WORKER, "terminate")
    assert (await waiting).status is Status.CANCELLED


async def test_a_terminated_agent_accepts_nothing_and_can_do_nothing() -> None:
    system = await running(Worker)
    await system.handle(WORKER, "a")
    await system.lifecycle.control(WORKER, "terminate")
    with pytest.raises(AgentTerminated):
        await system.send(WORKER, "b")
    for action in ("start", "resume", "pause", "stop"):
        with pytest.raises(AgentTerminated):
            await system.lifecycle.control(WORKER, action)
    with pytest.raises(AgentTerminated):
        await system.schedules.put(WORKER, "s", at=0.0, cron="", timezone="UTC", missed="once", type="t", data=None)
    with pytest.raises(AgentTerminated):
        await (await system.kernel.awaken_fresh(WORKER)).save_state({"count": 0})
    assert await system.state(WORKER) == {"count": 1}, "its last state is its archive"


async def test_an_event_that_reaches_a_terminated_agent_all_the_same_ends_visibly() -> None:
    system = await running(Worker)
    await system.handle(WORKER, "a")
    await system.lifecycle.control(WORKER, "terminate")
    await system.send_together(event(WORKER, "late"))
    await passed(1)
    row = await system.row(WORKER, "late")
    assert row.status is Status.CANCELLED
    with pytest.raises(Exception, match="terminated"):
        Mailroom.result_of(row)


async def test_its_schedules_end_with_it() -> None:
    system = await running(Worker)
    await system.handle(WORKER, "a", data="schedules")
    await system.lifecycle.control(WORKER, "terminate")
    await passed(10 * 86_400)
    assert Worker.begun == ["a"]


# --- purge ------------------------------------------------------------------------------------------------------------


async def test_purge_leaves_the_tombstone_and_nothing_else() -> None:
    system = await running(Worker)
    for number in range(150):
        await system.handle(WORKER, f"{number}")
    await system.handle(WORKER, "s", data="schedules")
    await system.handle(WORKER, "q", data="aside")
    await system.lifecycle.control(WORKER, "terminate")
    await passed(1)
    await system.lifecycle.purge(WORKER)
    store = system.world.store
    assert (await store.events(WORKER)).items == ()
    for kind in ("memory", "timer"):
        assert (await store.rows(WORKER, kind)).items == ()
    head = await system.head(WORKER)
    assert (head.control, head.state, head.state_blob, head.next_tick) == (Control.TERMINATED, b"", "", 0.0)
    assert await system.lifecycle.state(WORKER) == "terminated"
    await system.lifecycle.purge(WORKER)


async def test_purge_right_after_terminate_takes_what_still_waits() -> None:
    system = await running(Worker)
    await system.lifecycle.control(WORKER, "pause")
    waiting = asyncio.create_task(system.handle(WORKER, "w"))
    await send(system, "abc")
    await system.lifecycle.control(WORKER, "terminate")
    await system.lifecycle.purge(WORKER)
    assert (await waiting).status is Status.CANCELLED
    await passed(1000)
    assert (await system.world.store.events(WORKER)).items == ()


async def test_an_agent_that_lives_is_not_purged() -> None:
    system = await running(Worker)
    await system.handle(WORKER, "a")
    with pytest.raises(IllegalTransition, match="terminate"):
        await system.lifecycle.purge(WORKER)
    assert await system.state(WORKER) == {"count": 1}
