"""What is asked of the agents that make steps, as data: actions by chance, each with a name of its own. Pure.

A part of `program.py`, for worlds with steps.
"""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Final

from AgentOperatingSystem.proof.simulator.actions import Action

EFFECTS: Final = ("pure", "idempotent", "idempotent", "verify", "at_most_once", "at_most_once")
CONVERSATIONS: Final = ("", "a", "b")
_FAILURES: Final = ("retryable", "retryable", "crash", "unavailable", "terminal", "quarantine")


class StepWriter:
    """Draws what an event has its agent do, step by step."""

    def __init__(self, rng: Random, epoch: float, seed: int) -> None:
        self._rng = rng
        self._asking = Random(f"approvals of {seed}")
        self._approvals = self._asking.choice((0.0, 0.1, 0.3))
        self._epoch = epoch
        self._names = count()
        self._actors = [f"actor/{key}" for key in range(rng.randint(1, 3))]
        kinds = [kind for kind in ("thinker", "talker", "orderly") if rng.random() < 0.75] or ["thinker"]
        self.agents = [f"{kind}/{key}" for kind in kinds for key in range(rng.randint(1, 2))]
        self._mood = {"fail": rng.random() * 0.3, "all": rng.random() * 0.4, "ask": rng.random() * 0.25}

    def agent(self) -> str:
        """Who is asked to do it."""
        return self._rng.choice(self.agents)

    def actions(self, at: float, to: str) -> list[Action]:
        """A few steps, now and then several at once, and rarely a failure."""
        return list(self._sequence(at, to, depth=2))

    def _sequence(self, at: float, to: str, depth: int) -> Iterator[Action]:
        rng, mood = self._rng, self._mood
        for _ in range(rng.randint(1, 3 if depth else 2)):
            chosen = rng.random()
            if depth and chosen < mood["all"]:
                yield ["all", [list(self._sequence(at, to, depth - 1)) for _ in range(rng.randint(2, 3))]]
            elif chosen < mood["all"] + mood["ask"]:
                yield self._ask(at, to, depth)
            else:
                yield self._one(at)
            if rng.random() < mood["fail"]:
                yield ["fail", rng.choice(_FAILURES), self._until(at)]
        if depth and self._asking.random() < self._approvals:
            yield self._approved()
        if depth == 2 and rng.random() < 0.2:
            yield ["send", rng.choice(self._actors), [], 0.0]

    def _approved(self) -> Action:
        """A call that needs an approval; now and then the same one twice, or another one at each try."""
        rng = self._asking
        times, changes = (2, False) if rng.random() < 0.2 else (1, rng.random() < 0.4)
        return ["approved", rng.choice(("pay", "order")), self._name(), times, changes]

    def _one(self, at: float) -> Action:
        rng = self._rng
        chosen = rng.random()
        if chosen < 0.2:
            return ["step", self._name()]
        if chosen < 0.45:
            return ["think", self._name(), self._until(at) if rng.random() < 0.2 else 0.0]
        if chosen < 0.5:
            return ["hang", self._until(at)]
        return ["call", rng.choice(EFFECTS), self._name()]

    def _ask(self, at: float, to: str, depth: int) -> Action:
        """Others further down alone, so that nobody waits in a ring: rings are refused, which is tested elsewhere."""
        rng = self._rng
        below = self.agents[self.agents.index(to) + 1 :]
        whom = rng.choice([*self._actors, *below])
        if whom in below:
            actions = list(self._sequence(at, whom, depth=0)) if depth == 2 else []
        else:
            actions = [["work", rng.choice((0.0, 0.0, 0.0, 1.0, 5.0))]]
        return ["ask", whom, self._name(), actions, rng.choice((2.0, 20.0, 60.0))]

    def _until(self, at: float) -> float:
        return self._epoch + at + self._rng.choice((1.0, 5.0, 20.0, 60.0)) * self._rng.random()

    def _name(self) -> str:
        return f"s{next(self._names)}"
