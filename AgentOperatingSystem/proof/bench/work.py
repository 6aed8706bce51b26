"""The canonical work, and the judge of whether it was done.

Every contestant does the same: the state is about 1 KiB of JSON, the handler appends the event's text (100
characters) to a list that keeps the last nine, counts, and answers with one result event. A figure counts only if the
judge finds every event applied exactly once, in the results and in the state that was kept.

`runner` feeds events in and asks the judge at the end; contestants call `handle`. No I/O here.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypedDict

from AgentOperatingSystem.errors import AOSError

TEXT_CHARACTERS = 100
TEXTS_KEPT = 9


class ContestantFailed(AOSError):
    """A contestant could not be run, or did not do the work: its figures would mean nothing."""

    code = "contestant-failed"


class State(TypedDict):
    """What an agent of the benchmark remembers."""

    count: int
    texts: list[str]


class Counted(TypedDict):
    """The result event of one handled event."""

    count: int


class Sent(NamedTuple):
    """One event on its way: the agent's number, the event's own id, its text."""

    agent_number: int
    event_id: str
    text: str


def new_state() -> State:
    """An agent before its first event, already at full size."""
    return {"count": 0, "texts": ["." * TEXT_CHARACTERS] * TEXTS_KEPT}


def handle(state: State, text: str) -> Counted:
    """The agent: changes `state` in place and returns the result event."""
    state["texts"].append(text)
    del state["texts"][:-TEXTS_KEPT]
    state["count"] += 1
    return {"count": state["count"]}


def events(agents: int, stride: int, seed: int = 0, life: int | None = None) -> Iterator[Sent]:
    """Endless events, each with an id of its own; the agents take turns, `stride` apart.

    With a `life`, each agent gets that many, then new ones take the places of all.
    """
    ids = random.Random(seed)
    number = 0
    while True:
        text = f"event {number}".ljust(TEXT_CHARACTERS, ".")
        generation = number // (agents * life) if life else 0
        yield Sent(generation * agents + number * stride % agents, f"{ids.getrandbits(128):032x}", text)
        number += 1


class Ledger:
    """The client's own record of what it was answered, agent by agent."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, list[int]] = defaultdict(list)

    def note(self, agent_number: int, result: Mapping[str, object]) -> None:
        """Records one result. Raises ContestantFailed if it is not a result of this work."""
        count = result.get("count")
        if not isinstance(count, int):
            raise ContestantFailed(f"agent {agent_number} answered {result!r}, which has no count")
        self._counts[agent_number].append(count)

    @property
    def agent_numbers(self) -> Iterable[int]:
        """Every agent that answered."""
        return self._counts.keys()

    def judge(self, agent_number: int, state: State) -> None:
        """Raises ContestantFailed unless the agent's results and kept state show each event applied exactly once."""
        counts = sorted(self._counts[agent_number])
        sent = len(counts)
        if counts != list(range(1, sent + 1)):
            raise ContestantFailed(f"agent {agent_number} answered {sent} events with counts {_shortened(counts)}")
        if state["count"] != sent or len(state["texts"]) != TEXTS_KEPT:
            kept = f"a count of {state['count']} and {len(state['texts'])} texts"
            raise ContestantFailed(f"agent {agent_number} answered {sent} events, but its kept state has {kept}")


def _shortened(counts: list[int]) -> str:
    return str(counts) if len(counts) <= 10 else f"{str(counts[:10])[:-1]}, … {counts[-1]}]"
