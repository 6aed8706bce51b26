"""The loads of the contestants; closed loops but one: a caller waits for its result, then sends again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.bench.work import Sent, events

FEW_SLEEPERS = 1_000
MANY_SLEEPERS = 1_000_000
WARMING_MAX = 200
CONVERSATION_TEXTS = 20
PACE = 100.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One load."""

    name: str
    agents: int
    in_flight: int
    """Callers at work at the same time."""
    stride: int = 1
    """How far apart in the store the agents of two successive events lie."""
    life: int | None = None
    """Events that an agent gets before a new one takes its place; None: it lives as long as the run."""
    events_max: int | None = None
    """The measured and the warming events together stay below this."""
    warming_min: int = 1
    warming_max: int = WARMING_MAX
    per_second: float = 0.0
    """Events come at this pace, whoever still waits for theirs; 0: each caller sends when it has its result."""

    def planned(self, wanted: int) -> tuple[int, int]:
        """How many events warm up and how many are measured, when `wanted` are to be measured."""
        warming = max(self.in_flight, self.warming_min, min(wanted // 20, self.warming_max))
        if self.events_max is None:
            return warming, wanted
        return warming, min(wanted, self.events_max - warming)

    def stream(self, count: int) -> Iterator[Sent]:
        """The scenario's first `count` events."""
        return islice(events(self.agents, self.stride, life=self.life), count)


def scenarios(sleepers: int = MANY_SLEEPERS) -> tuple[Scenario, ...]:
    """All scenarios; `sleeping` has `sleepers` agents in its store.

    `sleeping_few` and `sleeping` wake one sleeping agent after the other, each once, far apart in the store: what
    they differ in is only how many agents lie there. 7919 is a prime, so that no agent is met twice.

    `team` and `teams` are conversations of 20 texts, 60 messages at their end, so that nobody is measured on one that
    grows for ever. `steps` makes ten calls in each event, `steps_team` two. An event of `import` is a process
    that starts and ends.
    """
    return (
        Scenario(name="many", agents=100, in_flight=64, warming_min=100),
        Scenario(name="hot", agents=1, in_flight=64),
        Scenario(name="single", agents=1, in_flight=1),
        Scenario(
            name="sleeping_few", agents=min(FEW_SLEEPERS, sleepers), in_flight=1, stride=7919, events_max=FEW_SLEEPERS
        ),
        Scenario(name="sleeping", agents=sleepers, in_flight=1, stride=7919, events_max=FEW_SLEEPERS),
        Scenario(name="team", agents=1, in_flight=1, life=CONVERSATION_TEXTS),
        Scenario(name="teams", agents=16, in_flight=16, life=CONVERSATION_TEXTS),
        Scenario(name="steps", agents=1, in_flight=1),
        Scenario(name="steps_team", agents=1, in_flight=1, life=CONVERSATION_TEXTS),
        Scenario(name="runaways", agents=1, in_flight=1, per_second=PACE, warming_max=1),
        Scenario(name="import", agents=1, in_flight=1, warming_max=1),
    )


AWAKE = ("many", "hot", "single")
COUNTING = (*AWAKE, "sleeping_few", "sleeping")
TEAMS = ("team", "teams")
IMPORTING = ("import",)
RUNAWAYS = ("runaways",)
STEPS = {"steps": 10, "steps_team": 2}
"""How many steps each event of these makes, where there is a journal."""
_BRINGS = {"sleeping": "sleeping_few", "steps": "steps_team"}
ALL = tuple(scenario.name for scenario in scenarios())


def scenarios_named(only: Sequence[str], sleepers: int) -> tuple[Scenario, ...]:
    """The scenarios named; `sleeping` brings `sleeping_few`, its measure, and `steps` brings `steps_team`.

    Raises InvalidInput for an unknown name.
    """
    names = set(only or ALL)
    if unknown := names.difference(ALL):
        raise InvalidInput(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    names |= {brought for name, brought in _BRINGS.items() if name in names}
    return tuple(scenario for scenario in scenarios(sleepers) if scenario.name in names)
