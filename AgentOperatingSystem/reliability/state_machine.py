"""A deterministic state machine with a history, small enough to be persisted with an agent's state.

Whoever has a life in states feeds it triggers; it answers with the new state or refuses, and tells `on_transition` of
each move. It does no I/O. Specification row 193, pattern 3 of the architecture's design patterns.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from AgentOperatingSystem.errors import ConfigurationError, IllegalTransition

HISTORY_LENGTH_MAX = 100


class Transition(NamedTuple):
    """One move: from a state, by a trigger, to a state."""

    source: str
    trigger: str
    target: str


class StateMachine:
    """States, the first of which is the initial one, and the `(source, trigger, target)` moves between them.

    A trigger has at most one target in each state. `history` keeps the last 100 moves. A state that was stored alone
    goes on with `initial=`; `to_dict` and `from_dict` keep the whole machine. Raises `ConfigurationError` where the
    definition contradicts itself.
    """

    def __init__(
        self,
        states: Iterable[str],
        transitions: Iterable[Sequence[str]],
        *,
        initial: str | None = None,
        on_transition: Callable[[Transition], object] | None = None,
    ) -> None:
        self.states = _checked_states(states)
        self.transitions = _moves(transitions, self.states)
        self.state = _known(self.states[0] if initial is None else initial, self.states)
        self._targets = _table(self.transitions)
        self._history: deque[Transition] = deque(maxlen=HISTORY_LENGTH_MAX)
        self._on_transition = on_transition

    @property
    def history(self) -> tuple[Transition, ...]:
        """The latest moves, the oldest first."""
        return tuple(self._history)

    @property
    def triggers(self) -> tuple[str, ...]:
        """What `fire` accepts now, in the order of the definition."""
        return tuple(move.trigger for move in self.transitions if move.source == self.state)

    def can(self, trigger: str) -> bool:
        """Whether `fire(trigger)` would move."""
        return (self.state, trigger) in self._targets

    def fire(self, trigger: str) -> str:
        """Moves, tells `on_transition`, and returns the new state; what the callback raises does not undo the move.

        Raises `IllegalTransition`, which names the state, the trigger and the legal ones; the state is unchanged then.
        """
        move = self._targets.get((self.state, trigger))
        if move is None:
            legal = ", ".join(self.triggers) or "none: the state is final"
            raise IllegalTransition(f"no transition {trigger!r} from state {self.state!r}; legal: {legal}")
        self.state = move.target
        self._history.append(move)
        if self._on_transition:
            self._on_transition(move)
        return move.target

    def to_dict(self) -> dict[str, Any]:
        """The machine as JSON values: its definition, its state and its history."""
        return {
            "states": list(self.states),
            "transitions": [list(move) for move in self.transitions],
            "state": self.state,
            "history": [list(move) for move in self._history],
        }

    @classmethod
    def from_dict(
        cls, stored: Mapping[str, Any], *, on_transition: Callable[[Transition], object] | None = None
    ) -> Self:
        """The machine that `to_dict` wrote. Raises `ConfigurationError` where a part is missing or contradicts
        another."""
        try:
            machine = cls(stored["states"], stored["transitions"], initial=stored["state"], on_transition=on_transition)
            machine._history.extend(_moves(stored["history"], machine.states))
        except (KeyError, TypeError) as error:
            raise ConfigurationError(f"this is no stored state machine: {type(error).__name__}: {error}") from None
        return machine


def _checked_states(states: Iterable[str]) -> tuple[str, ...]:
    names = tuple(states)
    if not names:
        raise ConfigurationError("a state machine needs at least one state")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"states given twice: {', '.join(twice)}")
    return names


def _moves(transitions: Iterable[Sequence[str]], states: tuple[str, ...]) -> tuple[Transition, ...]:
    triples = [tuple(move) for move in transitions]
    for triple in triples:
        if len(triple) != 3:
            raise ConfigurationError(f"transition {triple!r} is not (source, trigger, target)")
    moves = tuple(Transition(*triple) for triple in triples)
    for move in moves:
        _known(move.source, states)
        _known(move.target, states)
    return moves


def _table(moves: tuple[Transition, ...]) -> dict[tuple[str, str], Transition]:
    table: dict[tuple[str, str], Transition] = {}
    for move in moves:
        if (move.source, move.trigger) in table:
            raise ConfigurationError(f"two transitions {move.trigger!r} from state {move.source!r}")
        table[move.source, move.trigger] = move
    return table


def _known(state: str, states: tuple[str, ...]) -> str:
    if state not in states:
        raise ConfigurationError(f"state {state!r} is not one of {', '.join(states)}")
    return state
