"""What an observer beneath all faults sees of budgets: reservations, charges, corrections and grants, as they become
durable. A part of `observed.py`; it writes the history that `judge_spending.py` reads.
"""

from collections import defaultdict

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.book import BOOK, BUDGET, Account, Book, Hold
from AgentOperatingSystem.orchestration.budgets.grants import GRANTED, Granted
from AgentOperatingSystem.orchestration.budgets.late import LATE
from AgentOperatingSystem.proof.simulator.history import Charged, Corrected, Entry, Limited, Reserved, Told
from AgentOperatingSystem.storage.records import Change, Row

_book = msgspec.json.Decoder(Book)
_account = msgspec.json.Decoder(Account)
_granted = msgspec.json.Decoder(Granted)


class SpendingWatch:
    """Follows the accounts of all agents."""

    def __init__(self, history: list[Entry]) -> None:
        self.books: dict[AgentId, Book] = defaultdict(Book)
        """The accounts of each agent, those of single events among them, as they are now."""
        self._history = history

    def committed(self, change: Change, now: float) -> None:
        """A commit took effect."""
        for row in change.rows:
            if row.value is None:
                continue
            if row.kind == BUDGET:
                self._budget(change.head.agent, row, row.value)
            elif row.kind == GRANTED:
                granted = _granted.decode(row.value)
                self._history.append(Limited(change.head.agent, row.name, granted.raised, granted.granted))
            elif row.kind == LATE:
                step, _, at = row.name.partition("@")
                self._history.append(Told(step, float(at or 0), now))

    def _budget(self, agent: AgentId, row: Row, value: bytes) -> None:
        if row.name != BOOK:
            self._set(agent, row.name, _account.decode(value))
            return
        new, known = _book.decode(value), self.books[agent]
        for name, account in new.accounts.items():
            self._set(agent, name, account)
        self._reserved(agent, new.open, known.open)
        for step in _fresh(new.charged, known.charged):
            self._history.append(Charged(agent, step, new.charged[step].at))
        for step in _fresh(known.charged, new.charged):
            self._history.append(Corrected(agent, step, known.charged[step].at))
        known.open, known.charged = new.open, new.charged

    def _reserved(self, agent: AgentId, new: dict[str, Hold], known: dict[str, Hold]) -> None:
        for step in _fresh(new, known):
            self._history.append(Reserved(agent, step, new[step].amounts, new[step].accounts))

    def _set(self, agent: AgentId, name: str, account: Account) -> None:
        before = self.books[agent].account(name)
        self.books[agent].accounts[name] = account
        if (before.raised, before.granted) != (account.raised, account.granted):
            self._history.append(Limited(agent, name, account.raised, account.granted))


def _fresh(new: dict[str, Hold], known: dict[str, Hold]) -> list[str]:
    """Names of holds that were not there before, or are others of the same name."""
    return [step for step, hold in new.items() if step not in known or known[step].at != hold.at]


def used_of(book: Book, name: str) -> Amounts:
    """What an account says is spent and reserved."""
    return book.used(name)
