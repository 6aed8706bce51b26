"""Small contestants for the tests of the benchmark: one that is right, and some that are wrong in one way each."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from AgentOperatingSystem.proof.bench.work import State, handle, new_state


class InMemory:
    """Does the work, and notes how it was called."""

    name = "in_memory"

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.seen: list[tuple[int, str, str]] = []
        self.in_flight = self.in_flight_max = self.applied = 0
        self.stopped = False

    async def start(self, folder: Path, agents: int) -> None:
        self.states = {number: new_state() for number in range(agents)}

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
        self.seen.append((agent_number, event_id, text))
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        self.applied += 1
        return self.apply(agent_number, text)

    def apply(self, agent_number: int, text: str) -> Mapping[str, object]:
        return handle(self.states[agent_number], text)

    async def state(self, agent_number: int) -> State:
        return self.states[agent_number]

    async def stop(self) -> None:
        self.stopped = True

    def counters(self) -> Mapping[str, float]:
        return {}


class Forgetful(InMemory):
    """Answers every event, but does not keep the third."""

    async def state(self, agent_number: int) -> State:
        kept = self.states[agent_number]
        return {"count": kept["count"] - 1, "texts": kept["texts"]}


class Swallowing(InMemory):
    """Answers the third event without having applied it."""

    def apply(self, agent_number: int, text: str) -> Mapping[str, object]:
        if self.applied == 3:
            return {"count": self.states[agent_number]["count"]}
        return super().apply(agent_number, text)


class Repeating(InMemory):
    """Applies the third event twice."""

    def apply(self, agent_number: int, text: str) -> Mapping[str, object]:
        if self.applied == 3:
            super().apply(agent_number, text)
        return super().apply(agent_number, text)


class Talking(InMemory):
    """Has a library that prints."""

    async def start(self, folder: Path, agents: int) -> None:
        print("starting up")
        await super().start(folder, agents)


class Syncing(InMemory):
    """Counts its own fsyncs: two for each event."""

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": 2 * len(self.seen)}


class Broken(InMemory):
    """Cannot handle anything."""

    def apply(self, agent_number: int, text: str) -> Mapping[str, object]:
        raise RuntimeError("the disk is on fire")
