"""Did the promises hold? The clients' own log and what an observer saw, against the final state. Pure.

From what was accepted it follows what must have become of everything: an event that is done must have sent its
children, a publication must have reached its subscribers, a request must have been answered once. Nothing else may be
in any ledger.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import msgspec

from AgentOperatingSystem.agents.steps import Step
from AgentOperatingSystem.events import Event, matches
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import copies
from AgentOperatingSystem.orchestration.waits import answers_a_wait
from AgentOperatingSystem.proof.simulator.actions import actions_of
from AgentOperatingSystem.proof.simulator.actors import children
from AgentOperatingSystem.proof.simulator.thinkers import asked
from AgentOperatingSystem.storage.records import Control, EventRow, Head, Status


class Final(msgspec.Struct, frozen=True):
    """What is left of one agent when a world ends."""

    head: Head
    state: dict[str, Any]
    rows: dict[str, EventRow]
    """By event key."""
    memory: dict[str, Any]
    steps: dict[str, list[Step]] = {}
    """By event key."""


class Verdict(msgspec.Struct):
    """What was found wrong, in words, one line each; all empty where every promise held."""

    events: int = 0
    """How many events were judged."""
    lost: list[str] = []
    applied_twice: list[str] = []
    stuck: list[str] = []
    other: list[str] = []
    """Order, control, phantoms, wrong answers, errors of the system itself."""

    def all(self) -> list[str]:
        """Everything that was found wrong."""
        found = (("lost", self.lost), ("applied twice", self.applied_twice), ("stuck", self.stuck), ("", self.other))
        return [f"{kind}: {line}".removeprefix(": ") for kind, lines in found for line in lines]


class Judge:
    """Judges one world."""

    def __init__(self, finals: dict[AgentId, Final], registry: Registry, verdict: Verdict) -> None:
        self.verdict = verdict
        self.finals = finals
        self._subscriptions = [found for kind in registry.types() for found in kind.subscriptions]
        self._ledgers = {agent: Counter(final.state.get("ledger", [])) for agent, final in finals.items()}
        self._expected: dict[AgentId, dict[str, None]] = {}
        self._open: deque[Event] = deque()

    def judge(
        self,
        accepted: Iterable[Event],
        perhaps: Iterable[Event],
        published: Iterable[Event],
        publications: dict[str, None],
    ) -> None:
        """Follows every accepted event to its end, and everything that it caused; `perhaps` are events whose sender
        does not know.
        """
        self._open.extend(accepted)
        self._open.extend(event for event in perhaps if self._row(event) is not None)
        for event in published:
            self._publication(event, publications)
        while self._open:
            self._event(self._open.popleft(), publications)
            if not self._open:
                self._open.extend(self._ticks())
        for agent, final in self.finals.items():
            self._agent(agent, final)
        self.verdict.events = sum(map(len, self._expected.values()))

    # --- one event -----------------------------------------------------------------------------------------

    def _event(self, event: Event, publications: dict[str, None]) -> None:
        agent = event.agent
        assert agent is not None
        expected = self._expected.setdefault(agent, {})
        if event.key in expected:
            return
        expected[event.key] = None
        row = self._row(event)
        if row is None:
            self.verdict.lost.append(f"{agent} {event.source} {event.id}: no row")
            return
        if row.status is Status.PARKED:
            self.verdict.stuck.append(f"{agent} {event.source} {event.id}: parked, {row.reason}")
        if not answers_a_wait(row.event):
            self._applied(agent, row)
        questions = asked(row.event, self.finals[agent].steps.get(row.key, []))
        self._open.extend(child for child in questions if row.status is Status.DONE or self._row(child) is not None)
        if row.status is Status.DONE:
            self._caused(row, publications)

    def _row(self, event: Event) -> EventRow | None:
        final = self.finals.get(event.agent) if event.agent is not None else None
        return final.rows.get(event.key) if final is not None else None

    def _applied(self, agent: AgentId, row: EventRow) -> None:
        """Done means once in the ledger, everything else means not at all."""
        times = self._ledgers[agent][row.key]
        what = f"{agent} {row.event.source} {row.event.id}: {row.status}, {times} times in the ledger"
        if row.status is Status.DONE and times == 0:
            self.verdict.lost.append(what)
        elif times > 1:
            self.verdict.applied_twice.append(what)
        elif times and row.status is not Status.DONE:
            self.verdict.other.append(f"half applied: {what}")

    def _caused(self, row: EventRow, publications: dict[str, None]) -> None:
        for child in children(row.event):
            if child.agent is not None:
                self._open.append(child)
            else:
                self._publication(child, publications)
        to = row.event.reply_to
        if to is not None:
            source = f"/agents/{row.event.agent}"
            self._open.append(Event(type="aos.reply", id=f"{row.key}-reply", source=source, agent=to))

    def _publication(self, event: Event, publications: dict[str, None]) -> None:
        if event.key not in publications:
            self.verdict.lost.append(f"publication {event.source} {event.id}: the broker never saw it")
        self._open.extend(copies([one for one in self._subscriptions if matches(one.pattern, event.topic)], event))

    # --- what an agent's own timers caused -----------------------------------------------------------------

    def _ticks(self) -> list[Event]:
        """Runs of timers that were set by events that are done; `judge_time` says whether they are right."""
        found = []
        for agent, final in self.finals.items():
            known = self._expected.setdefault(agent, {})
            names = self._timers(agent, final)
            for row in final.rows.values():
                if (
                    row.key not in known
                    and row.event.source == f"/agents/{agent}/timers"
                    and row.event.subject in names
                ):
                    found.append(row.event)
        return found

    def _timers(self, agent: AgentId, final: Final) -> set[str]:
        done = (row for row in final.rows.values() if row.status is Status.DONE and row.key in self._expected[agent])
        names = {action[1] for row in done for action in actions_of(row.event) if action[0] in ("timer", "at", "cron")}
        return names | set(final.state.get("asked", []))

    # --- one agent -----------------------------------------------------------------------------------------

    def _agent(self, agent: AgentId, final: Final) -> None:
        expected = self._expected.get(agent, {})
        for key in self._ledgers[agent]:
            if key not in expected:
                event = final.rows[key].event if key in final.rows else None
                what = f"{event.source} {event.id}" if event is not None else key
                self.verdict.other.append(f"phantom: {agent} applied {what}, which nobody sent")
        self._memory(agent, final)
        if final.head.control is not Control.TERMINATED:
            self._answers(agent, final)

    def _memory(self, agent: AgentId, final: Final) -> None:
        """What was counted in memory is what the ledger counts."""
        notes: Counter[str] = Counter()
        for row in final.rows.values():
            if row.status is Status.DONE:
                notes.update(action[1] for action in actions_of(row.event) if action[0] == "note")
        for key in notes.keys() | final.memory.keys():
            if notes[key] != final.memory.get(key, 0):
                what = f"{agent} memory {key!r}: {final.memory.get(key, 0)} of {notes[key]}"
                (self.verdict.lost if notes[key] > final.memory.get(key, 0) else self.verdict.applied_twice).append(
                    what
                )

    def _answers(self, agent: AgentId, final: Final) -> None:
        """Each request ended in exactly one of answer and time-out."""
        answers = final.state.get("answers", {})
        for correlation in final.state.get("asked", []):
            times = answers.get(correlation, 0)
            if times != 1:
                what = f"{agent} request {correlation}: {times} answers"
                (self.verdict.applied_twice if times else self.verdict.lost).append(what)
