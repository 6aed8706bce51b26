"""Rules about the store: what lies there, agent by agent. Asked by the desk at each look.

Each status is read once for all rules, and no further than `ROWS_MAX` rows: beyond them a look is incomplete, and says
so. A look at a quiet system is one read for each status that a rule is about.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from AgentOperatingSystem.agents.steps import StepStatus
from AgentOperatingSystem.agents.waiting import JobEnd, wanted
from AgentOperatingSystem.orchestration.alerts.rules import StoreRule
from AgentOperatingSystem.orchestration.budgets.meter import PAUSE
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.storage.records import Control, EventRow, Status

ROWS_MAX: Final = 5000
JOURNALS_MAX: Final = 200
"""How many events' journals a look reads to learn whether they wait for a person."""
_PAGE: Final = 1000
_STATUSES: Final[Mapping[str, tuple[Status, ...]]] = {
    "quarantined": (Status.QUARANTINED,),
    "in_doubt": (Status.IN_DOUBT, Status.DIVERGED),
    "approvals": (Status.WAITING,),
    "budget": (Status.WAITING,),
    "mailbox": (Status.PARKED,),
}


class Seen(NamedTuple):
    """What there is, by agent, and whether that is all."""

    values: dict[str, float]
    is_complete: bool


class Look:
    """One look at the store of one tenant."""

    def __init__(self, parts: Parts, tenant: str, now: float) -> None:
        self._parts = parts
        self._tenant = tenant
        self._now = now
        self._rows: dict[Status, tuple[list[EventRow], bool]] = {}

    async def over(self, rule: StoreRule) -> Seen:
        """Values beyond the limit, by agent. Raises `StoreUnavailable`."""
        if rule.watch == "silence":
            return await self._silent(rule)
        rows, is_complete = await self._of(rule)
        if rule.watch == "approvals":
            waited, all_read = await self._waited(rows, rule.above)
            return Seen(waited, is_complete and all_read)
        if rule.watch == "budget":
            rows = [row for row in rows if any(name.startswith(f"wait-{PAUSE}") for name in row.waits)]
        counts = Counter(str(row.event.agent) for row in rows)
        return Seen({agent: float(count) for agent, count in counts.items() if count > rule.above}, is_complete)

    async def _of(self, rule: StoreRule) -> tuple[list[EventRow], bool]:
        rows: list[EventRow] = []
        is_complete = True
        for status in _STATUSES[rule.watch]:
            if status not in self._rows:
                self._rows[status] = await self._read(status)
            found, has_ended = self._rows[status]
            rows += [row for row in found if str(row.event.agent).startswith(rule.agent)]
            is_complete = is_complete and has_ended
        return rows, is_complete

    async def _read(self, status: Status) -> tuple[list[EventRow], bool]:
        rows: list[EventRow] = []
        after = ""
        while len(rows) < ROWS_MAX:
            page = await self._parts.store.find(self._tenant, status, after, _PAGE)
            rows += page.items
            after = page.after
            if not after:
                return rows, True
        return rows, False

    async def _waited(self, rows: list[EventRow], above: float) -> tuple[dict[str, float], bool]:
        """How long the oldest question to a person waits. Only what was accepted so long ago can wait so long."""
        old = [row for row in rows if row.claims and self._now - row.accepted_at > above]
        found: dict[str, float] = {}
        for row in old[:JOURNALS_MAX]:
            agent = row.event.agent
            assert agent is not None
            for step in (await Recorder(self._parts, agent).read(row.key)).values():
                wants = wanted(step)
                if step.status is StepStatus.WAITING and wants is not None and not isinstance(wants, JobEnd):
                    found[str(agent)] = max(found.get(str(agent), 0.0), self._now - step.began_at)
        return {agent: seconds for agent, seconds in found.items() if seconds > above}, len(old) <= JOURNALS_MAX

    async def _silent(self, rule: StoreRule) -> Seen:
        """Agents that were awake once, and not for so long."""
        found: dict[str, float] = {}
        after, count = "", 0
        while count < ROWS_MAX:
            page = await self._parts.store.agents(self._tenant, rule.agent, after, _PAGE)
            count += len(page.items)
            for head in page.items:
                silent_seconds = self._now - head.updated_at
                if silent_seconds > rule.above and head.control is not Control.TERMINATED:
                    found[str(head.agent)] = silent_seconds
            after = page.after
            if not after:
                return Seen(found, True)
        return Seen(found, False)
