"""What an observer beneath all faults sees of steps: which results became durable, which calls are in doubt, and who
has a conversation to itself.

A part of `observed.py`; what contradicts a promise is noted at the commit that does.
"""

from collections import Counter, defaultdict

import msgspec

from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus, decode_step
from AgentOperatingSystem.agents.waiting import Approval, wanted
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.waits import answers_a_wait
from AgentOperatingSystem.proof.simulator.actions import changes_its_mind
from AgentOperatingSystem.proof.simulator.history import Verdict
from AgentOperatingSystem.proof.simulator.observed_spending import SpendingWatch
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld
from AgentOperatingSystem.proof.simulator.plan import EPOCH
from AgentOperatingSystem.storage.records import ENDS, STEP, Change, EventRow, Status

OWNING = (Status.WAITING, Status.IN_DOUBT, Status.DIVERGED)
_ENDED = (Status.DONE, Status.FAILED)


class StepWatch:
    """Follows the steps of all agents."""

    def __init__(self, outside: OutsideWorld, registry: Registry, skew_seconds: float, margin_seconds: float) -> None:
        self.violations: list[str] = []
        self.in_doubt = 0
        """How often an event was put before a person."""
        self.cancelled: Counter[str] = Counter()
        """How many events were cancelled while they were queued, running, parked or waiting."""
        self.spending = SpendingWatch(outside.history)
        self._statuses: dict[tuple[AgentId, str], Status] = {}
        self._outside = outside
        self._registry = registry
        self._skew_seconds = skew_seconds
        self._margin_seconds = margin_seconds
        self._intents: dict[tuple[AgentId, str], float] = {}
        self._owners: dict[AgentId, dict[str, str]] = defaultdict(dict)
        """Conversations of each agent that belong to an event, by the event's key."""

    def committed(self, change: Change, now: float) -> None:
        """A commit took effect."""
        agent = change.head.agent
        rows = (*change.updates, *change.inserts)
        self.spending.committed(change, now)
        for row in change.rows:
            if row.kind == STEP and row.value is not None:
                self._step(agent, row.name, decode_step(row.value))
        if self._keeps_conversations(agent):
            self._conversations(agent, rows)
        for each in rows:
            self._moved(agent, each)
            if each.status is Status.CANCELLED:
                self._outside.cancelled(f"{agent} {each.key}")
            if each.status is Status.DIVERGED and not changes_its_mind(each.event):
                self.violations.append(f"diverged: {agent} {each.event.id}, which does the same at every try")
            if each.status is Status.IN_DOUBT:
                self._doubt(agent, each, now)

    def _moved(self, agent: AgentId, row: EventRow) -> None:
        """What has ended stays so; where it was when it was cancelled, is counted."""
        before = self._statuses.get((agent, row.key))
        if before in ENDS and before is not row.status:
            self.violations.append(f"ended: {agent} {row.event.id} was {before}, and is {row.status} again")
        if row.status is Status.CANCELLED and row.reason.startswith("cancelled"):
            runs = self._outside.running[f"{agent} {row.key}"] > 0
            self.cancelled["running" if runs else before or "queued"] += 1
        self._statuses[agent, row.key] = row.status

    def _approval(self, who: str, step: Step) -> None:
        """A verdict on a tool's call counts from now on."""
        wants = wanted(step)
        if step.kind is StepKind.WAIT and step.status is StepStatus.DONE and isinstance(wants, Approval):
            approved = not step.is_error and bool(msgspec.json.decode(step.result)["approved"])
            said = Verdict(who=who, step=step.name, tool=wants.tool, arguments=wants.arguments, approved=approved)
            self._outside.history.append(said)

    def _step(self, agent: AgentId, name: str, step: Step) -> None:
        key = name.partition("/")[0]
        self._approval(f"{agent} {key}", step)
        if step.status is StepStatus.INTENT:
            self._intents[agent, name] = step.deadline
        else:
            self._intents.pop((agent, name), None)
            self._outside.recorded(f"{agent} {key}", step)

    def _doubt(self, agent: AgentId, row: EventRow, now: float) -> None:
        """In doubt is what was about to happen, and nothing that may still be under way on any clock."""
        self.in_doubt += 1
        latest = EPOCH + now + self._skew_seconds
        deadlines = [
            deadline for (of, name), deadline in self._intents.items() if of == agent and name.startswith(f"{row.key}/")
        ]
        if not any(deadline + self._margin_seconds <= latest for deadline in deadlines):
            what = "too early" if deadlines else "without an open call"
            self.violations.append(f"in doubt {what}: {agent} {row.event.id}")

    def _conversations(self, agent: AgentId, rows: tuple[EventRow, ...]) -> None:
        owners = self._owners[agent]
        for row in rows:
            others = {key for key, conversation in owners.items() if self._same(agent, conversation, row)} - {row.key}
            if row.status in _ENDED and others and row.event.source != "/control" and not answers_a_wait(row.event):
                what = f"{agent} handled {row.event.source} {row.event.id}"
                self.violations.append(f"conversation: {what}, which was to wait for {sorted(others)}")
        for row in rows:
            owners.pop(row.key, None)
            if row.status in OWNING or row.owns:
                owners[row.key] = row.event.conversation

    def _keeps_conversations(self, agent: AgentId) -> bool:
        return self._registry.is_strict(agent) or agent.name == "talker"

    def _same(self, agent: AgentId, conversation: str, row: EventRow) -> bool:
        return self._registry.is_strict(agent) or conversation == row.event.conversation
