"""What one seed's world is like: how many hosts, what kind of broker, and how often which fault strikes. Pure.

Each seed draws a subset of the kinds and a weight for each (swarm testing), so that rare combinations come up as surely
as the usual ones.
"""

from random import Random
from typing import Final

import msgspec

from AgentOperatingSystem.clock import LoopClock

EPOCH: Final = 1_767_225_300.0
"""Five minutes before a day ends in UTC."""
CLOCK: Final = LoopClock(EPOCH)
OPERATION_KINDS: Final = ("crash", "failed", "timed_out", "slow", "freeze")
"""What can befall one operation of a host on the store, the blobs or the broker; a commit can lose a race besides."""
TURN_KINDS: Final = ("lost_lock", "duplicate", "reorder")
"""What can befall a turn that the broker hands out."""
KINDS: Final = (*OPERATION_KINDS, "conflict", "blackout", *TURN_KINDS)
_WEIGHTS: Final = {"crash": 1.0, "failed": 1.5, "timed_out": 2.5, "slow": 1.0, "freeze": 0.25}


class Blackout(msgspec.Struct, frozen=True):
    """A time in which the store or the broker serves nobody, or one host only cannot reach it."""

    begins: float
    ends: float
    service: str
    """`store` or `bus`."""
    host: int
    """The number of the host that is cut off; -1 for all of them."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One seed's world. Times are virtual seconds since it began."""

    seed: int
    hosts: int
    faults_end: float
    """Until when faults strike."""
    rates: tuple[tuple[str, float], ...]
    """The chance of each kind at one operation."""
    conflict_rate: float
    """The chance that a commit is told that it lost a race."""
    turn_rates: tuple[tuple[str, float], ...]
    """The chance of each kind at one handing out."""
    blackouts: tuple[Blackout, ...]
    ordered: bool
    """Whether the broker keeps the order of an agent's messages over redeliveries; only then can order be judged."""
    duplicate_window_seconds: float
    skew_seconds: float
    """How far a host's clock may be off, before or behind."""
    turn_events_max: int
    warm_agents_max: int
    inline_bytes_max: int
    steps: bool = False
    """Whether the world's agents make steps."""
    turn_deadline_seconds: float = 80.0


def plan_for(seed: int, *, steps: bool = False) -> Plan:
    """The world of a seed; there are two of each, one of them with steps."""
    rng = Random(f"plan:{seed}")
    ordered = rng.random() < 0.6
    faults_end = rng.uniform(200.0, 1500.0)
    hosts = rng.randint(1, 4)
    turn_kinds = [kind for kind in TURN_KINDS if kind != "reorder" or not ordered]
    return Plan(
        seed=seed,
        hosts=hosts,
        faults_end=faults_end,
        rates=_rates(rng),
        conflict_rate=rng.choice((0.0, 0.3, 0.6)),
        turn_rates=tuple((kind, rng.uniform(0.05, 0.4)) for kind in turn_kinds if rng.random() < 0.7),
        blackouts=tuple(_blackout(rng, hosts) for _ in range(rng.choice((0, 0, 1, 2, 3)))),
        ordered=ordered,
        duplicate_window_seconds=rng.choice((0.0, 20.0, 600.0)),
        skew_seconds=rng.choice((0.0, 0.0, 2.0)),
        turn_events_max=rng.choice((1, 3, 8, 64)),
        warm_agents_max=rng.choice((0, 1, 3, 100)),
        inline_bytes_max=rng.choice((64, 1024, 65_536)),
        steps=steps,
        turn_deadline_seconds=rng.choice((2.0, 20.0, 80.0)),
    )


def _rates(rng: Random) -> tuple[tuple[str, float], ...]:
    """A random subset of the kinds, which share a random chance that anything strikes."""
    weights = {kind: rng.random() * _WEIGHTS[kind] for kind in OPERATION_KINDS if rng.random() < 0.75}
    total = rng.uniform(0.1, 0.45)
    return tuple((kind, total * weight / sum(weights.values())) for kind, weight in weights.items())


def _blackout(rng: Random, hosts: int) -> Blackout:
    begins = rng.uniform(0.0, 200.0)
    host = rng.randrange(hosts) if rng.random() < 0.5 else -1
    return Blackout(begins, begins + rng.uniform(1.0, 60.0), rng.choice(("store", "bus")), host)
