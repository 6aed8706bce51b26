"""Which fault strikes which operation, and the count of those that did; and the log whose hash tells worlds apart.

Asked by hosts before each operation and by the broker at each handing out. A fault counts where it struck an operation,
not where it was only planned.
"""

import asyncio
from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate
from random import Random

from AgentOperatingSystem.proof.simulator.plan import KINDS, Plan


class Journal:
    """Everything that happens in a world, as a running hash; the last lines in words where `keep` is set."""

    def __init__(self, keep: int = 0) -> None:
        self._hash = blake2b(digest_size=16)
        self._keep = keep
        self.lines: list[str] = []

    def write(self, *words: object) -> None:
        """One line, with the virtual time before it."""
        line = f"{self.now():.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        if self._keep:
            self.lines.append(line)
            del self.lines[: -self._keep]

    def now(self) -> float:
        """Virtual seconds since the world began."""
        return asyncio.get_running_loop().time()

    def digest(self) -> str:
        """The hash over all lines so far."""
        return self._hash.hexdigest()


class Faults:
    """The dice of one world."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self.rng = Random(f"faults:{plan.seed}")
        self.counts = dict.fromkeys(KINDS, 0)
        self.active = True
        self._plan = plan
        self._journal = journal
        self._rates = _dice(plan.rates)
        self._turn_rates = dict(plan.turn_rates)

    def at_operation(self, operation: str, host: int) -> str:
        """The kind that is to strike this operation; empty for none."""
        if not self.active:
            return ""
        if self._is_dark(operation, host):
            return "blackout"
        if operation == "store.commit" and self.rng.random() < self._plan.conflict_rate:
            return "conflict"
        kinds, bounds = self._rates
        place = bisect_right(bounds, self.rng.random())
        return kinds[place] if place < len(kinds) else ""

    def at_turn(self, kind: str) -> bool:
        """Whether a fault of `kind` is to strike a handing out."""
        return self.active and self.rng.random() < self._turn_rates.get(kind, 0.0)

    def struck(self, kind: str, where: str, who: object) -> None:
        """A fault hit an operation: it counts."""
        self.counts[kind] += 1
        self._journal.write(who, where, "!", kind)

    def _is_dark(self, operation: str, host: int) -> bool:
        if not self._plan.blackouts:
            return False
        now = asyncio.get_running_loop().time()
        service = "bus" if operation.startswith("bus") else "store"
        return any(
            blackout.begins <= now < blackout.ends and blackout.service == service and blackout.host in (-1, host)
            for blackout in self._plan.blackouts
        )


def _dice(rates: tuple[tuple[str, float], ...]) -> tuple[list[str], list[float]]:
    """Kinds, and the upper bounds of their shares of [0, 1)."""
    return [kind for kind, _ in rates], list(accumulate(rate for _, rate in rates))
