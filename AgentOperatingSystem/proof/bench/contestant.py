"""What takes part in the benchmark, and under which rules.

To add one: write a class that satisfies `Contestant`, and give it a line of `Entry` (in `contestants.py`, or in a
caller's own list). Each runs in a process of its own, in its own interpreter if it needs one, so `factory` is a name
and not an object.
"""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from AgentOperatingSystem.proof.bench.scenarios import AWAKE
from AgentOperatingSystem.proof.bench.work import ContestantFailed, State


class Contestant(Protocol):
    """A runtime that does the canonical work: `work.handle` on `work.State`. Made without arguments."""

    name: str

    async def start(self, folder: Path, agents: int) -> None:
        """Makes ready in the empty `folder`: agents 0 … `agents`-1 exist, as `work.new_state()`, and sleep."""
        ...

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
        """Applies one event to the agent; returns its `work.Counted` when it is as durable as this contestant makes it.

        Called concurrently, also for one agent.
        """
        ...

    async def state(self, agent_number: int) -> State:
        """The agent's state as it is kept: read from the store where there is one, never from a copy in memory."""
        ...

    async def stop(self) -> None:
        """Releases everything; called after a failed `start` too."""
        ...

    def counters(self) -> Mapping[str, float]:
        """Running totals that the contestant knows itself; `fsyncs` is used where system calls cannot be counted."""
        ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A contestant's line in the list."""

    name: str
    factory: str
    """`module:Class` of the contestant."""
    scenarios: tuple[str, ...] = AWAKE
    """The scenarios that it can take part in."""
    python: str = field(default=sys.executable)
    """The interpreter that has what it needs."""
    install: str = ""
    """What a person does if a module is missing."""


def make(factory: str) -> Contestant:
    """The contestant of a `module:Class` name. Raises ModuleNotFoundError, or ContestantFailed for a missing class."""
    module_name, _, class_name = factory.partition(":")
    made = getattr(importlib.import_module(module_name), class_name, None)
    if made is None:
        raise ContestantFailed(
            f"{module_name} has no {class_name or 'name after a colon'}: a factory reads module:Class"
        )
    contestant: Contestant = made()
    return contestant
