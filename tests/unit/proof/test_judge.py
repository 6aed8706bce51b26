"""The judges find what they are there to find: each broken promise, made by hand, is named."""

from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.kill.verdict import disorders as overtakings
from AgentOperatingSystem.proof.simulator.actors import children, registry
from AgentOperatingSystem.proof.simulator.faults import Journal
from AgentOperatingSystem.proof.simulator.judge import Final, Judge, Verdict
from AgentOperatingSystem.proof.simulator.judge_order import disorders
from AgentOperatingSystem.proof.simulator.judge_steps import step_faults
from AgentOperatingSystem.proof.simulator.judge_time import timer_faults
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld
from AgentOperatingSystem.storage.records import Control, EventRow, Head, Status
from AgentOperatingSystem.tools.records import Effect

A, B = AgentId("actor", "a"), AgentId("actor", "b")
DAY = 1_767_225_600.0


def event(name: str, *actions: list[Any], agent: AgentId = A) -> Event:
    return Event(type="work", source="client", id=name, agent=agent, data={"do": list(actions)})


def tick(name: str, due: float) -> Event:
    return Event(type="aos.schedule", source=f"/agents/{A}/timers", id=f"{name}@{iso(due)}", subject=name, agent=A)


def final(*events: Event, status: Status = Status.DONE, control: Control = Control.ACTIVE, **state: Any) -> Final:
    rows = {each.key: EventRow(key=each.key, event=each, status=status, attempts=1) for each in events}
    ledger = {} if status is not Status.DONE else {"ledger": [each.key for each in events]}
    return Final(Head(agent=A, control=control), ledger | state, rows, {})


def judged(finals: dict[AgentId, Final], *accepted: Event, publications: tuple[str, ...] = ()) -> Verdict:
    verdict = Verdict()
    Judge(finals, registry(), verdict).judge(accepted, (), (), dict.fromkeys(publications))
    return verdict


ONE = event("one")
SENDS = event("sends", ["send", str(B), [], 0.0])
ASKS = event("asks", ["request", str(B), [], 10.0])


@pytest.mark.parametrize(
    ("finals", "accepted", "kind"),
    [
        pytest.param({A: final(ONE)}, ONE, "", id="all is well"),
        pytest.param({}, ONE, "lost", id="no row"),
        pytest.param({A: msgspec.structs.replace(final(ONE), state={})}, ONE, "lost", id="done, but in no ledger"),
        pytest.param({A: final(ONE, ledger=[ONE.key, ONE.key])}, ONE, "applied twice", id="twice in the ledger"),
        pytest.param({A: final(ONE, status=Status.PARKED)}, ONE, "stuck", id="still parked"),
        pytest.param(
            {A: final(ONE, status=Status.FAILED, ledger=[ONE.key])}, ONE, "half applied", id="failed, applied"
        ),
        pytest.param({A: final(ONE, event("two"))}, ONE, "phantom", id="applied, but never sent"),
        pytest.param({A: final(SENDS)}, SENDS, "lost", id="what it sent is gone"),
        pytest.param({A: final(event("n", ["note", "x"]))}, event("n", ["note", "x"]), "lost", id="memory is gone"),
        pytest.param({A: final(ONE, asked=["r"])}, ONE, "lost", id="a request without an answer"),
        pytest.param({A: final(ONE, asked=["r"], answers={"r": 2})}, ONE, "applied twice", id="answered twice"),
    ],
)
def test_what_became_of_an_event(finals: dict[AgentId, Final], accepted: Event, kind: str) -> None:
    found = judged(finals, accepted).all()
    assert [line.partition(":")[0] for line in found] == ([kind] if kind else [])


def test_a_publication_that_the_broker_never_saw_is_lost() -> None:
    publishes = event("p", ["publish", "other.topic", []])
    [publication] = children(publishes)
    assert judged({A: final(publishes)}, publishes).lost == [
        f"publication /agents/actor/a {publication.id}: the broker never saw it"
    ]
    assert judged({A: final(publishes)}, publishes, publications=(publication.key,)).all() == []


@pytest.mark.parametrize(
    ("runs", "kind"), [((60.0, 120.0), None), ((60.0,), "lost"), ((60.0, 120.0, 120.0), "applied_twice")]
)
def test_a_schedule_runs_at_each_of_its_times(runs: tuple[float, ...], kind: str | None) -> None:
    made = event("c", ["cron", "minute", "* * * * *"])
    ticks = [tick("minute", DAY + due) for due in runs]
    state = final(made, *ticks, crons={"minute": DAY}, cancelled={"minute": DAY + 130})
    rows = dict(state.rows) | ({"copy": state.rows[ticks[-1].key]} if len(runs) == 3 else {})
    found = list(timer_faults(A, msgspec.structs.replace(state, rows=rows)))
    assert [what for what, _ in found] == ([kind] if kind else [])


def test_a_timer_that_never_ran_is_lost_unless_its_agent_was_terminated() -> None:
    made = event("t", ["timer", "later", 5.0, []])
    assert [kind for kind, _ in timer_faults(A, final(made))] == ["lost"]
    assert list(timer_faults(A, final(made, control=Control.TERMINATED))) == []
    assert list(timer_faults(A, final(made, tick("later", DAY + 5)))) == []


def test_first_attempts_out_of_order_are_found() -> None:
    first, second = event("1"), event("2")
    sent = {("client", str(A)): [first.key, second.key]}
    good, bad = dict.fromkeys([first.key, second.key]), dict.fromkeys([second.key, first.key])
    assert list(disorders(sent, {}, {A: good}, ())) == []
    assert len(list(disorders(sent, {}, {A: bad}, ()))) == 1


def test_what_one_agent_sent_another_out_of_order_is_found() -> None:
    first, second = event("1", ["send", str(B), [], 0.0]), event("2", ["send", str(B), [], 0.0])
    keys = [child.key for each in (first, second) for child in children(each)]
    finals = {A: final(first, second)}
    assert list(disorders({}, finals, {B: dict.fromkeys(keys)}, ())) == []
    assert len(list(disorders({}, finals, {B: dict.fromkeys(reversed(keys))}, ()))) == 1


def test_a_strict_agents_ledger_out_of_order_is_found() -> None:
    strict = AgentId("strict")
    first, second = event("1", agent=strict), event("2", agent=strict)
    sent = {("client", "strict"): [first.key, second.key]}
    assert list(disorders(sent, {strict: final(first, second)}, {}, ["strict"])) == []
    assert len(list(disorders(sent, {strict: final(second, first)}, {}, ["strict"]))) == 1


def test_an_event_that_overtook_one_that_was_answered_before_it_was_sent_is_found() -> None:
    known = {1: 0, 2: 1}
    assert overtakings([[1, 2]], [1, 2], known) == []
    assert len(overtakings([[2, 1]], [1, 2], known)) == 1
    assert overtakings([[2, 1]], [2, 1], {1: 0, 2: 0}) == []


FICKLE, FIRM = event("fickle", ["approved", "pay", "s1", 1, True]), event("firm", ["approved", "pay", "s1", 1, False])


@pytest.mark.parametrize(
    ("asked", "kind", "status", "is_found"),
    [
        pytest.param(FICKLE, StepKind.TOOL, StepStatus.FAILED, False, id="never made, then something else wanted"),
        pytest.param(FICKLE, StepKind.WAIT, StepStatus.WAITING, False, id="a question that nobody asks any more"),
        pytest.param(FICKLE, StepKind.TOOL, StepStatus.INTENT, True, id="nobody knows whether it happened"),
        pytest.param(FIRM, StepKind.TOOL, StepStatus.FAILED, True, id="done without what it wants at every try"),
        pytest.param(FIRM, StepKind.WAIT, StepStatus.WAITING, True, id="done without an answer"),
        pytest.param(FIRM, StepKind.TOOL, StepStatus.DONE, False, id="made"),
    ],
)
def test_a_step_without_a_result_in_an_event_that_is_done_is_found(
    asked: Event, kind: StepKind, status: StepStatus, is_found: bool
) -> None:
    step = Step(kind=kind, what="pay", hash="0" * 64, status=status, effect=Effect.AT_MOST_ONCE, about={"name": "s1"})
    done = msgspec.structs.replace(final(asked), steps={asked.key: [step]})
    found = list(step_faults(A, done, OutsideWorld(Journal(), 0)))
    assert [what for _, what in found] == (
        [f"{A} client {asked.id}: is done, and {step.name} is {status}"] if is_found else []
    )
