"""The steps of one try: the journal is opened by the first of them, and its verdict ends the try.

Handed to the context by the kernel's handling; an event without steps costs nothing here.
"""

import asyncio
from functools import partial

from AgentOperatingSystem.agents.steps import STEP
from AgentOperatingSystem.errors import Conflict, Duplicate, StoreUnavailable
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.orchestration.awake import HALTED, Watch
from AgentOperatingSystem.orchestration.budgets.meter import Meter
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.commits import Commits
from AgentOperatingSystem.orchestration.decisions import End
from AgentOperatingSystem.orchestration.journal import Journal
from AgentOperatingSystem.orchestration.ledger import Aside, Ends, GoesOn, Overtaken, Waits
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.waits import expiry
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import Row, Status

MARGIN = 0.8
"""Where an agent's own time limit is short, the share of it after which no further step is made."""


class Halted(Exception):
    """The journal ended the handling; its verdict says why."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(str(journal.verdict))
        self.journal = journal


class Steps:
    """Opens the journal when it is asked for."""

    __slots__ = ("_case", "_commits", "_journal", "_limit_seconds", "_over", "_parts", "_watch")

    def __init__(self, parts: Parts, watch: Watch, commits: Commits, case: Case, limit_seconds: float) -> None:
        self._parts = parts
        self._watch = watch
        self._commits = commits
        self._case = case
        self._limit_seconds = limit_seconds
        self._journal: Journal | None = None
        self._over = False

    def open(self) -> Journal:
        """The journal of this try."""
        if self._journal is None:
            agent, rules = self._commits.work.head.agent, self._commits.work.rules
            seconds = min(rules.turn_deadline_seconds, MARGIN * self._limit_seconds)
            yield_at = asyncio.get_running_loop().time() + seconds
            stop = partial(self._watch.interrupt, agent, HALTED)
            meter = Meter(self._parts, self._commits.awake, agent, self._case)
            self._commits.when_lost = meter.tell
            self._journal = Journal(self._commits, Recorder(self._parts, agent), meter, self._case, stop, yield_at)
            if self._over:
                self._journal.end()
        return self._journal

    def end(self) -> None:
        """The handler is over."""
        self._over = True
        if self._journal is not None:
            self._journal.end()

    def raise_verdict(self) -> None:
        """Raises `Halted` where the journal ended the handling, and what its commit raised where that failed."""
        if self._journal is None or self._journal.verdict is None:
            return
        error = self._journal.verdict.error if isinstance(self._journal.verdict, Overtaken) else None
        if isinstance(error, Conflict | Duplicate | StoreUnavailable):
            raise Fenced(error)
        raise error or Halted(self._journal)

    async def raise_forgotten(self) -> None:
        """Raises `Halted` where the handler came to its end without a call that an earlier try had begun: nobody knows
        what became of that.
        """
        row = self._case.row
        if row is None or not row.claims:
            return
        journal = self.open()
        if left := await journal.forgotten():
            missing = ", ".join(sorted(left)[:3])
            reason = f"this retry ended without {missing}, which an earlier try was about to call"
            journal.verdict = Aside(Status.DIVERGED, reason)
            raise Halted(journal)


class Fenced(Exception):
    """A commit of the journal failed, and with it the turn."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def end_early(work: Work, case: Case, journal: Journal, *, owns: bool) -> None:
    """Puts the journal's verdict into the turn's work."""
    verdict = journal.verdict
    if isinstance(verdict, GoesOn):
        work.postpone(case, str(verdict), verdict.due, owns=owns)
    elif isinstance(verdict, Aside):
        work.put_aside(case, verdict.status, str(verdict), owns=owns)
    elif isinstance(verdict, Ends):
        work.end(case, End(verdict.status, str(verdict)))
    elif isinstance(verdict, Waits):
        rows = [Row(STEP, f"{case.key}/{name}", encode(step)) for name, step in journal.waits.items()]
        timers = [expiry(case, step) for step in journal.waits.values()]
        work.wait(case, rows, timers, journal.asked, str(verdict), owns=owns)
    else:
        raise AssertionError(f"{verdict!r} is no verdict on an event")
