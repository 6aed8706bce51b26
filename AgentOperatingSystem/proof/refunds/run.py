"""The parent: one life after the other, each killed on the way of a new order, and the judge of what they left behind.

Kill points go round: before and after each commit of an order's way, inside each call of a model and of a tool.
"""

import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus, decode_step
from AgentOperatingSystem.ids import AgentId, event_key
from AgentOperatingSystem.proof.kill.points import Setup
from AgentOperatingSystem.proof.refunds.office import TOOLS, Ledger
from AgentOperatingSystem.proof.refunds.plain import run_plain
from AgentOperatingSystem.proof.refunds.processes import forked
from AgentOperatingSystem.proof.report import Report

COMMITS = 9
"""Commits on the way of one order: its claim, its steps (those that only think may ride with the next), the last."""
MODEL_CALLS = 5
INSIDE = (
    *(("in a model call", number) for number in range(1, MODEL_CALLS + 1)),
    *((f"in {tool}, {when}", 1) for tool in TOOLS for when in ("before it acts", "after it acted")),
)
"""Where a host dies within a call, and at which passing."""
POINTS = (*((f"{when} commit", number) for number in range(1, COMMITS + 1) for when in ("before", "after")), *INSIDE)
Said = dict[str, tuple[int, bool]]
"""What a host told before it died, by its first word: the order, and whether that was in doubt."""


@dataclass
class Found:
    """What the lives left behind."""

    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    orders: int = 0
    in_doubt: int = 0
    failures: list[str] = field(default_factory=list)
    repeated: int = 0
    """Model calls that were made again although their answer was recorded."""


class Campaign:
    """Kills, one after the other."""

    def __init__(self, folder: Path, kills: int, seed: int, storage: str = "") -> None:
        self.folder = folder
        self._setup = Setup(folder / "data", storage=storage, storage_prefix=f"r{uuid4().hex[:20]}")
        self.ledger = Ledger(folder)
        self.found = Found()
        self._wanted = kills
        self._next = seed
        self._recorded: list[tuple[int, set[str]]] = []
        """At each kill: how many questions had been asked, and the hashes of those whose answers were recorded."""

    def run(self) -> Found:
        """Until all kills have struck and every order has ended."""
        found, open_order, expected = self.found, None, False
        while found.kills.total() < self._wanted or open_order is not None:
            order = found.orders if found.kills.total() < self._wanted else None
            point, countdown = POINTS[self._next % len(POINTS)]
            self._next += 1
            said = self._life(open_order, order, point, countdown)
            if open_order is not None:
                self._check_end(said, open_order, expected)
            open_order, expected = self._after_life(said, order, f"{point} {countdown}")
        self._judge()
        return found

    def _life(self, open_order: int | None, order: int | None, point: str, countdown: int) -> Said:
        """What a life said until its end, by its words."""
        from AgentOperatingSystem.proof.refunds.child import Life, live  # AutoGen: where the proof is really run

        words = forked(live, Life(self.folder, self._setup, open_order, order, point, countdown))
        return {word: (number, doubted) for word, number, doubted in words}

    def _check_end(self, said: Said, order: int, expected: bool) -> None:
        if "ended" not in said:
            self.found.failures.append(f"order {order} did not come to its end")
            return
        doubted = said["ended"][1]
        self.found.in_doubt += doubted
        if doubted != expected:
            shown, fell = ("", "outside of") if doubted else ("not ", "inside")
            self.found.failures.append(f"order {order} was {shown}in doubt, and its kill fell {fell} the refund")

    def _after_life(self, said: Said, order: int | None, point: str) -> tuple[int | None, bool]:
        """The order that is open now, and whether it has to be in doubt."""
        if order is None:
            return None, False
        self.found.orders += 1
        if "survived" in said:
            self.found.survived += 1
            return None, False
        self.found.kills[point] += 1
        steps = self._steps(order)
        answered = {step.hash for step in steps if step.kind is StepKind.MODEL and step.status is StepStatus.DONE}
        self._recorded.append((len(self.ledger.lines(self.ledger.asked)), answered))
        return order, any(step.status is StepStatus.INTENT for step in steps)

    def _steps(self, order: int) -> list[Step]:
        """What the store has of an order's steps, read past every host."""
        if self._setup.storage:
            from AgentOperatingSystem.proof.kill.on_azure import steps_of  # loads the SDK

            key = event_key("/customers", f"order-{order}")
            found = steps_of(self._setup.storage, self._setup.storage_prefix, AgentId("office"), f"{key}/")
            return [decode_step(value) for value in found]
        with sqlite3.connect(self.folder / "data" / "aos.db") as store:
            key = event_key("/customers", f"order-{order}")
            rows = store.execute("SELECT value FROM rows WHERE kind = 'step' AND name LIKE ?", (f"{key}/%",)).fetchall()
        store.close()
        return [decode_step(value) for (value,) in rows]

    def _judge(self) -> None:
        found, asked = self.found, [words[0] for words in self.ledger.lines(self.ledger.asked)]
        for place, recorded in self._recorded:
            found.repeated += sum(each in recorded for each in asked[place:])
        for order in range(found.orders):
            for what in ("refund", "email"):
                keys = [words[2] for words in self.ledger.done(what, f"o-{order}")]
                if not keys or (what == "refund" and len(keys) > 1) or len(set(keys)) > 1:
                    found.failures.append(
                        f"order {order}: {what} was done {len(keys)} times, with {len(set(keys))} keys"
                    )
        if found.repeated:
            found.failures.append(f"{found.repeated} model calls were made again after their answer was recorded")


def run_refunds(
    kills: int, *, seed: int = 0, plain: bool = False, folder: Path | None = None, storage: str = ""
) -> Report:
    """Kills the office `kills` times, and judges: no refund twice, no recorded answer paid again, in doubt when and
    only when a kill fell inside a refund. With `plain`, AutoGen alone is killed on the same work, for comparison. With
    `storage`, a connection string, the office is kept in that storage account.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="aos-refunds-") as made:
            return run_refunds(kills, seed=seed, plain=plain, folder=Path(made), storage=storage)
    campaign = Campaign(folder, kills, seed, storage)
    found = campaign.run()
    twice = sum(max(0, len(campaign.ledger.done("refund", f"o-{order}")) - 1) for order in range(found.orders))
    missing = sum(not campaign.ledger.done("refund", f"o-{order}") for order in range(found.orders))
    report = Report(
        faults=found.kills.total(),
        events=found.orders,
        lost=missing,
        applied_twice=twice,
        stuck=sum("did not come to its end" in failure for failure in found.failures),
        hash=sha256(repr(sorted(map(str, campaign.ledger.lines(campaign.ledger.effects)))).encode()).hexdigest()[:16],
        by_kind=dict(sorted(found.kills.items())),
        kills=found.kills.total(),
        in_doubt=found.in_doubt,
        answers_paid_twice=found.repeated,
    )
    if plain:
        report["plain_autogen"] = run_plain(min(kills, 2 * len(INSIDE)), INSIDE)
    if found.failures:
        report["failures"] = [f"{each}; again: aos faults --refunds {kills} --first {seed}" for each in found.failures]
    return report
