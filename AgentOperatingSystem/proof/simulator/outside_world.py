"""What lies outside of a simulated system: bills that are paid, effects that happen. No crash of ours undoes any of it.

Models and tools write here what really happened; the judge compares it with what the journal says. What contradicts a
promise at the very moment is noted at once.
"""

from collections import Counter, defaultdict
from contextvars import ContextVar
from random import Random

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.simulator.faults import Journal
from AgentOperatingSystem.proof.simulator.history import Called, Entry
from AgentOperatingSystem.tools.records import Effect

Name = tuple[str, str]
"""Who (the agent and the event's key), and which call of its program."""
COUNTED = ("model calls", *(f"{effect} calls" for effect in Effect), "functions", "approved calls", "late results")


class Try(msgspec.Struct, frozen=True):
    """One handling of one event: what was durable when it began is read back in it."""

    who: str
    began: float


trying: ContextVar[Try] = ContextVar("trying")


class OutsideWorld:
    """All that really happened."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self.violations: list[str] = []
        self.effects: dict[Name, list[str]] = defaultdict(list)
        """What was done, with the words that the call had; a call once too often stands here twice."""
        self.keys: dict[Name, dict[str, None]] = defaultdict(dict)
        """The idempotency keys that a call came with."""
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.history: list[Entry] = []
        """What concerns money and approvals."""
        self.running: Counter[str] = Counter()
        """Whose handlers run, on any host."""
        self.steps = 0
        """How many results were recorded durably."""
        self._recorded: dict[Name, float] = {}
        self._cancelled: dict[str, None] = {}
        self._journal = journal
        self._rng = Random(f"outside:{seed}")

    def is_mute(self) -> bool:
        """Now and then somebody out there does not answer."""
        return self._rng.random() < 0.3

    def mind(self) -> str:
        """What somebody wants who changes his mind."""
        return self._rng.choice("ab")

    def billed(self, step: str, amounts: Amounts) -> None:
        """The call that begins is to be paid, whatever becomes of it."""
        agent, _, key = trying.get().who.rpartition(" ")
        self.history.append(
            Called(agent=AgentId.parse(agent), key=key, step=step, billed=amounts, began=trying.get().began)
        )

    def tokens(self, most: int) -> int:
        """How many tokens an answer comes to."""
        return self._rng.randint(1, most)

    def called(self, name: str, what: str, *, happens_once: bool = False, twice: bool = False) -> None:
        """A model, a tool or a function is called by the try under way; perhaps `twice` on purpose."""
        now, at_work = self._now(), trying.get()
        self.counts[what] += 1
        self._journal.write("outside", what, at_work.who, name)
        if not twice and self._recorded.get((at_work.who, name), now) < at_work.began:
            self.violations.append(f"again: {what} {name} of {at_work.who}, which was recorded before this try began")
        if happens_once and at_work.who in self._cancelled:
            self.violations.append(f"cancelled: {what} {name} of {at_work.who} was called although that was cancelled")

    def done(self, who: str, name: str, said: str, idempotency_key: str = "") -> None:
        """An effect has happened."""
        self._journal.write("outside", "effect", who, name)
        self.effects[who, name].append(said)
        if idempotency_key:
            self.keys[who, name][idempotency_key] = None

    def recorded(self, who: str, step: Step) -> None:
        """A step's result is durable from now on."""
        if step.status is StepStatus.DONE and step.kind is not StepKind.WAIT:
            self.steps += (who, name_of(step)) not in self._recorded
            self._recorded.setdefault((who, name_of(step)), self._now())
            self.counts["late results"] += step.late

    def cancelled(self, who: str) -> None:
        """An event was ended from outside, durably."""
        self._cancelled[who] = None

    def _now(self) -> float:
        return self._journal.now()


outside_world: ContextVar[OutsideWorld] = ContextVar("outside_world")


def name_of(step: Step) -> str:
    """Which call of its event's program a step is: every call says its name in what it asks."""
    about = step.about
    if step.kind is StepKind.TOOL:
        return str(about["name"])
    if step.kind is StepKind.FUNCTION:
        return str(about[0])
    if step.kind is StepKind.WAIT:
        return step.what
    return str(about["parts"][0]["text"])
