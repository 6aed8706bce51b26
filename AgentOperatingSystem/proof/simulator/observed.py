"""What an observer beneath all faults sees: every commit that took effect, every message that was sent, every handler
that began.

Read by the judge, and never by the system under test. What can be judged at once (control obeyed, nothing sent before
its commit) is judged here.
"""

from collections import defaultdict

from AgentOperatingSystem.events import Event, Kind, Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.simulator.faults import Journal
from AgentOperatingSystem.proof.simulator.observed_steps import StepWatch
from AgentOperatingSystem.storage.memory import MemoryAgentStore
from AgentOperatingSystem.storage.records import ENDS, STEP, Change, Committed, Control, Row, Status

_HELD = (Control.PAUSED, Control.STOPPED)
_HANDLED = (Status.DONE, Status.FAILED)


class Observations:
    """All that was seen in one world."""

    def __init__(self, journal: Journal, steps: StepWatch) -> None:
        self.violations: list[str] = []
        self.steps = steps
        self.attempts: dict[AgentId, dict[str, None]] = defaultdict(dict)
        """Event keys by agent, in the order of their first attempts that count: a run on an outdated copy, which no
        commit followed, never happened.
        """
        self.ended = 0
        """How many events came to an end."""
        self.starts = 0
        """How often a handler began."""
        self.message_ids: dict[tuple[str, str, int], dict[str, None]] = defaultdict(dict)
        """The ids under which the broker saw the same thing: more than one defeats its duplicate detection."""
        self.publications: dict[str, None] = {}
        """Keys of the publications that the broker saw."""
        self._committed: dict[str, None] = {}
        self._control: dict[AgentId, Control] = {}
        self._journal = journal

    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self._journal.now()

    def began(self, agent: AgentId, event: Event) -> None:
        """A handler begins."""
        self.starts += 1

    def committed(self, change: Change) -> None:
        """A commit took effect."""
        agent = change.head.agent
        rows = (*change.updates, *change.inserts)
        for row in rows:
            if row.attempts and row.status is not Status.CANCELLED:
                self.attempts[agent].setdefault(row.key)
            self._committed.update(dict.fromkeys(message_identity(message) for message in row.outputs))
        self._committed.update(dict.fromkeys(message_identity(message) for message in change.outputs))
        self.ended += sum(row.status in ENDS for row in rows)
        handled = [row.key for row in rows if row.status in _HANDLED and row.event.source != "/control"]
        if handled and self._control.get(agent) in _HELD:
            self.violations.append(f"disobeyed: {agent} handled {handled[0]} while it was {self._control[agent]}")
        self._control[agent] = change.head.control
        self.steps.committed(change, self.now())
        statuses = " ".join(f"{row.key[-6:]}={row.status}" for row in rows)
        steps = " ".join(_brief(row) for row in change.rows if row.kind == STEP)
        self._journal.write("commit", agent, change.head.version, change.head.control, statuses, steps)

    def sent(self, message: Message) -> None:
        """The broker accepts a message."""
        event = message.event
        if event is None:
            return
        agent = str(event.agent or "")
        self.message_ids[agent, event.key, event.generation][message.id] = None
        if message.kind is Kind.PUBLICATION:
            self.publications[event.key] = None
        if event.source.startswith("/agents/") and message_identity(message) not in self._committed:
            self.violations.append(f"early: {event.id} of {event.source} left before its commit")


class ObservedStore(MemoryAgentStore):
    """The store in memory, watched."""

    def __init__(self, seen: Observations) -> None:
        super().__init__()
        self._seen = seen

    async def commit(self, change: Change) -> Committed:
        committed = await super().commit(change)
        self._seen.committed(change)
        return committed


def _brief(row: Row) -> str:
    key, _, name = row.name.partition("/")
    return f"{key[-6:]}/{name[:12]}"


def message_identity(message: Message) -> str:
    """What a message carries, whatever its own id is."""
    event = message.event
    return f"{event.agent}|{event.topic}|{event.key}|{event.generation}" if event is not None else ""
