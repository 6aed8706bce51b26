"""What happens in a world, as data: what each client sends when, and what the operator does. Pure; the seed decides.

A program is written before the world begins, so that what befalls the hosts cannot change what is asked of them.
"""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Final

import msgspec

from AgentOperatingSystem.proof.simulator.actions import Action
from AgentOperatingSystem.proof.simulator.plan import EPOCH, Plan
from AgentOperatingSystem.proof.simulator.program_steps import CONVERSATIONS, StepWriter

TOPICS: Final = ("news.one", "news.two")
_FAILURES: Final = ("retryable", "retryable", "crash", "crash", "unavailable", "terminal", "quarantine")
_CONTROLS: Final = (("pause", "resume"), ("stop", "start"), ("pause", "resume"), ("pause", "stop", "start"))


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a client does, at `at` seconds or as soon as what it did before is acknowledged."""

    at: float
    what: str
    """`accept`, `process`, `publish`, `cancel`, or a control action."""
    to: str
    """An agent, or a topic."""
    id: str = ""
    actions: list[Action] = []
    priority: int = 0
    after_seconds: float = 0.0
    conversation: str = ""
    source: str = ""
    """Whose event it is about."""

    @property
    def is_plain(self) -> bool:
        """Whether it takes part in the order that its client sees."""
        return self.what in ("accept", "process") and not self.priority and not self.after_seconds


class Program(msgspec.Struct, frozen=True):
    """What the clients and the operator of one world do; each list is done in order."""

    clients: tuple[tuple[Step, ...], ...]
    operators: tuple[tuple[Step, ...], ...]


def program_for(plan: Plan) -> Program:
    """The program of a seed."""
    writer = _Writer(plan)
    clients = tuple(writer.client(number) for number in range(writer.rng.randint(1, 4)))
    operators = tuple(writer.operator() for _ in range(writer.rng.randint(0, 3)))
    if plan.steps:
        operators += tuple(writer.canceller(steps) for steps in clients)
    return Program(clients, operators)


class _Writer:
    """Draws a program from a seed."""

    def __init__(self, plan: Plan) -> None:
        rng = self.rng = Random(f"program:{plan.seed}")
        self._end = rng.uniform(20.0, 200.0)
        actors = [f"actor/{key}" for key in range(rng.randint(1, 4))]
        others = ["strict", "strict/s", "fragile", "stubborn", "listener", "desk/news.one"]
        self._steps = StepWriter(rng, EPOCH, plan.seed) if plan.steps else None
        self._agents = [*actors, *(other for other in others if rng.random() < 0.6)]
        if self._steps is not None:
            self._agents = self._steps.agents
        self._names = count()
        self._hasty = Random(f"cancels:{plan.seed}")
        self._cancels = self._hasty.choice((0.0, 0.1, 0.3)) if plan.steps else 0.0
        self._storms = rng.choice((0, 0, 1, 2))
        self._crons = rng.choice((0, 0, 0, 1, 2))
        self._mood = {"fail": rng.random() * 0.5, "talk": rng.random(), "time": rng.random() * 0.5}

    def client(self, number: int) -> tuple[Step, ...]:
        """Single events, and now and then a burst to one agent."""
        steps: list[Step] = []
        for at in sorted(self.rng.uniform(0.0, self._end) for _ in range(self.rng.randint(3, 14))):
            burst = self.rng.randint(5, 25) if self.rng.random() < 0.1 else 1
            to = self._agent()
            steps += [self._step(at, number, to, depth=2 if burst == 1 else 0) for _ in range(burst)]
        return tuple(steps)

    def operator(self) -> tuple[Step, ...]:
        """Holds one agent still for a while; rarely, for ever."""
        agent, rng = self._agent(), self.rng
        if rng.random() < 0.15:
            return (Step(at=rng.uniform(0.0, self._end), what="terminate", to=agent),)
        at = rng.uniform(0.0, self._end)
        steps = []
        for action in rng.choice(_CONTROLS):
            steps.append(Step(at=at, what=action, to=agent))
            at += rng.choice((0.1, 1.0, 20.0)) * rng.random()
        return tuple(steps)

    def canceller(self, client: tuple[Step, ...]) -> tuple[Step, ...]:
        """Cancels a few of what a client has sent, sooner or later."""
        rng, steps = self._hasty, []
        for step in client:
            if step.what != "publish" and rng.random() < self._cancels:
                at = step.at + rng.choice((0.1, 0.5, 5.0, 60.0, 600.0)) * rng.random()
                source = int(step.id[1:].partition("-")[0])
                steps.append(Step(at=at, what="cancel", to=step.to, id=step.id, source=f"client/{source}"))
        return tuple(sorted(steps, key=lambda step: step.at))

    def _step(self, at: float, client: int, to: str, depth: int) -> Step:
        rng = self.rng
        name = f"c{client}-{next(self._names)}"
        if self._steps is not None:
            return self._with_steps(self._steps, at, name, to)
        actions = list(self._actions(at, depth))
        if rng.random() < 0.1:
            return Step(at=at, what="publish", to=rng.choice(TOPICS), id=name, actions=actions)
        return Step(
            at=at,
            what="process" if rng.random() < 0.2 else "accept",
            to=to,
            id=name,
            actions=actions,
            priority=rng.randint(1, 9) if rng.random() < 0.1 else 0,
            after_seconds=rng.uniform(0.5, 30.0) if rng.random() < 0.1 else 0.0,
        )

    def _with_steps(self, steps: StepWriter, at: float, name: str, to: str) -> Step:
        rng = self.rng
        return Step(
            at=at,
            what="process" if rng.random() < 0.1 else "accept",
            to=to,
            id=name,
            actions=steps.actions(at, to),
            conversation=rng.choice(CONVERSATIONS),
        )

    def _actions(self, at: float, depth: int) -> Iterator[Action]:
        rng, mood = self.rng, self._mood
        if depth and rng.random() < mood["talk"]:
            for _ in range(rng.randint(1, 3)):
                yield self._talk(at, depth - 1)
        if rng.random() < mood["time"]:
            yield self._time(at, depth)
        if rng.random() < mood["fail"]:
            yield self._failure(at)
        if rng.random() < 0.2:
            yield ["note", rng.choice("xy")]
        if rng.random() < 0.1:
            yield ["work", rng.choice((0.0, 0.5, 5.0))]

    def _talk(self, at: float, depth: int) -> Action:
        rng = self.rng
        actions = list(self._actions(at, depth))
        chosen = rng.random()
        if self._storms and chosen < 0.1:
            self._storms -= 1
            return ["storm", self._agent(), rng.choice((1, 1, 2, 3))]
        if chosen < 0.6:
            return ["send", self._agent(), actions, rng.choice((0.0, 0.0, 0.0, 3.0))]
        if chosen < 0.8:
            return ["publish", rng.choice(TOPICS), actions]
        return ["request", self._agent(), actions, rng.choice((0.5, 10.0, 60.0))]

    def _time(self, at: float, depth: int) -> Action:
        rng = self.rng
        chosen = rng.random()
        if self._crons and chosen < 0.3:
            self._crons -= 1
            return ["cron", f"cron{next(self._names)}", rng.choice(("* * * * *", "*/2 * * * *", "* * * * * */30"))]
        if chosen < 0.6:
            return ["at", "alarm", EPOCH + rng.choice((20.0, 50.0))]
        return ["timer", f"t{next(self._names)}", rng.uniform(0.0, 40.0), list(self._actions(at, 0))]

    def _failure(self, at: float) -> Action:
        rng = self.rng
        until = EPOCH + at + rng.choice((1.0, 5.0, 20.0, 60.0)) * rng.random()
        return ["hang", until] if rng.random() < 0.1 else ["fail", rng.choice(_FAILURES), until]

    def _agent(self) -> str:
        return self.rng.choice(self._agents)
