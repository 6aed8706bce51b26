import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import ConfigurationError, IllegalTransition
from AgentOperatingSystem.reliability import StateMachine, Transition

STATES = ["created", "running", "sleeping", "terminated"]
TRANSITIONS = [
    ("created", "start", "running"),
    ("running", "idle", "sleeping"),
    ("sleeping", "wake", "running"),
    ("running", "terminate", "terminated"),
]


def test_it_begins_in_the_first_state_and_moves() -> None:
    machine = StateMachine(STATES, TRANSITIONS)
    assert machine.state == "created"
    assert (machine.can("start"), machine.can("idle")) == (True, False)
    assert machine.fire("start") == machine.state == "running"
    assert machine.triggers == ("idle", "terminate")
    assert machine.history == (Transition("created", "start", "running"),)


def test_an_illegal_transition_names_state_trigger_and_the_legal_ones() -> None:
    machine = StateMachine(STATES, TRANSITIONS, initial="running")
    with pytest.raises(IllegalTransition, match="no transition 'wake' from state 'running'; legal: idle, terminate"):
        machine.fire("wake")
    assert (machine.state, machine.history) == ("running", ())


def test_a_final_state_says_so() -> None:
    with pytest.raises(IllegalTransition, match="none: the state is final"):
        StateMachine(STATES, TRANSITIONS, initial="terminated").fire("start")


def test_each_move_is_told_after_it_happened() -> None:
    told: list[tuple[Transition, str]] = []
    machine = StateMachine(STATES, TRANSITIONS, on_transition=lambda move: told.append((move, machine.state)))
    machine.fire("start")
    assert told == [(Transition("created", "start", "running"), "running")]


def test_a_callback_that_raises_does_not_undo_the_move() -> None:
    def complain(move: Transition) -> None:
        raise RuntimeError(move.trigger)

    machine = StateMachine(STATES, TRANSITIONS, on_transition=complain)
    with pytest.raises(RuntimeError, match="start"):
        machine.fire("start")
    assert (machine.state, len(machine.history)) == ("running", 1)


def test_the_history_of_a_long_life_is_bounded() -> None:
    machine = StateMachine(STATES, TRANSITIONS, initial="running")
    for _ in range(80):
        machine.fire("idle")
        machine.fire("wake")
    assert len(machine.history) == 100
    assert machine.history[-1] == Transition("sleeping", "wake", "running")


@given(st.lists(st.sampled_from(["start", "idle", "wake", "terminate"]), max_size=130))
def test_what_was_stored_comes_back_the_same(triggers: list[str]) -> None:
    machine = StateMachine(STATES, TRANSITIONS)
    for trigger in triggers:
        if machine.can(trigger):
            machine.fire(trigger)
    told: list[Transition] = []
    again = StateMachine.from_dict(json.loads(json.dumps(machine.to_dict())), on_transition=told.append)
    assert (again.to_dict(), again.history) == (machine.to_dict(), machine.history)
    for trigger in again.triggers[:1]:
        assert machine.fire(trigger) == again.fire(trigger)
        assert told == [machine.history[-1]]


@pytest.mark.parametrize(
    ("states", "transitions", "initial", "expected"),
    [
        ([], [], None, "at least one state"),
        (["a", "a"], [], None, "states given twice: a"),
        (["a"], [("a", "go", "b")], None, "state 'b' is not one of a"),
        (["a"], [("b", "go", "a")], None, "state 'b' is not one of a"),
        (["a"], [], "b", "state 'b' is not one of a"),
        (["a"], [("a", "go")], None, "is not \\(source, trigger, target\\)"),
        (["a", "b"], [("a", "go", "a"), ("a", "go", "b")], None, "two transitions 'go' from state 'a'"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(
    states: list[str], transitions: list[Sequence[str]], initial: str | None, expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        StateMachine(states, transitions, initial=initial)


@pytest.mark.parametrize(
    "change",
    [{"state": "flying"}, {"history": [["created", "start", "flying"]]}, {"states": None}, {"history": [1]}],
)
def test_what_is_no_stored_machine_is_refused(change: dict[str, Any]) -> None:
    stored = StateMachine(STATES, TRANSITIONS).to_dict()
    with pytest.raises(ConfigurationError):
        StateMachine.from_dict(stored | change)
    with pytest.raises(ConfigurationError, match="KeyError: 'states'"):
        StateMachine.from_dict({})
