"""What the kernel keeps in memory of an agent's spending, beside its state: as true as the fence, and gone with it."""

from dataclasses import dataclass, field

from AgentOperatingSystem.orchestration.budgets.book import Book
from AgentOperatingSystem.orchestration.budgets.costs import DayCost


@dataclass(slots=True)
class Accounts:
    """One agent's book, and what its days have cost."""

    book: Book
    days: dict[str, DayCost] = field(default_factory=dict)
