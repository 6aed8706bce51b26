"""The judge of a kill campaign: reads from the store alone what agents remember, after the last host has drained."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.kill.points import Setup
from AgentOperatingSystem.proof.kill.work import AGENTS, TALLIES
from AgentOperatingSystem.storage.records import Status

QUIET_SECONDS = 0.3
QUIET_TRIES = 100


@dataclass(frozen=True)
class Verdict:
    """What was found."""

    lost: int
    applied_twice: int
    stuck: int
    failures: list[str]
    applied: list[list[int]]
    """What each tally has counted, in the order in which it was applied."""

    @property
    def outcome(self) -> list[tuple[int, list[int]]]:
        """What each tally has counted, sorted: the same whatever was killed."""
        return [(place, sorted(some)) for place, some in enumerate(self.applied)]


def judge(setup: Setup, events: int) -> Verdict:
    """Lets a last host finish what waits, then compares everything with the parent's own log of events."""
    return asyncio.run(_judge(setup, events))


async def _judge(setup: Setup, events: int) -> Verdict:
    async with setup.system() as aos:
        for agent in AGENTS:
            await aos.register_agent(agent)
        aos.start()
        for _ in range(QUIET_TRIES):
            await asyncio.sleep(QUIET_SECONDS)
            if not await setup.waiting(aos):
                break
        tallies = [await _state(aos, AgentId("tally", str(number))) for number in range(TALLIES)]
        sink, hearer = await _state(aos, AgentId("sink")), await _state(aos, AgentId("hearer"))
        aside = (await aos.quarantine.list(aos.config.tenant)).items
        waiting = [await aos.parts.store.events(AgentId("tally", str(n)), Status.PARKED) for n in range(TALLIES)]
    numbers = [list(tally.get("numbers", ())) for tally in tallies]
    return _compare(numbers, sink, hearer, events, stuck=len(aside) + sum(len(page.items) for page in waiting))


async def _state(aos: Any, agent: AgentId) -> dict[str, Any]:
    return await aos.context_server(agent).load_state() or {}


def _compare(
    numbers: list[list[int]], sink: dict[str, int], hearer: dict[str, int], events: int, stuck: int
) -> Verdict:
    applied = Counter(number for some in numbers for number in some)
    expected = set(range(events))
    failures: list[str] = []
    lost = _missing("applied to no tally", expected - set(applied), failures)
    twice = _missing("applied twice", {number for number, times in applied.items() if times > 1}, failures)
    for name, ledger in (("message", sink), ("publication", hearer)):
        ids = {f"e{number}" for number in expected}
        lost += _missing(f"whose {name} was lost", ids - set(ledger), failures)
        twice += _missing(f"whose {name} came twice", {one for one, times in ledger.items() if times > 1}, failures)
    return Verdict(lost, twice, stuck, failures, numbers)


def disorders(applied: list[list[int]], answered: list[int], known: dict[int, int]) -> list[str]:
    """Events that overtook one that was answered before they were sent.

    `answered` is in the order of the answers; `known[n]` says how many of them there were when event n was first sent.
    """
    found = []
    for numbers in applied:
        place = {number: at for at, number in enumerate(numbers)}
        for number in numbers:
            earlier = [other for other in answered[: known[number]] if place.get(other, -1) > place[number]]
            found += [f"event {number} was applied before {other}, which was accepted before it" for other in earlier]
    return found


def _missing(what: str, found: set[Any], failures: list[str]) -> int:
    if found:
        failures.append(f"{len(found)} events {what}: {sorted(found)[:5]}")
    return len(found)
