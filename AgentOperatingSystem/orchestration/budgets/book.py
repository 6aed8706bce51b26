"""One agent's accounts: what it has spent, what is reserved for calls under way, what was granted to it. Pure.

`meter.py` keeps it as a row of the agent's own partition and asks before each call. Every account obeys one law: what
is spent and what is reserved together never pass the limit, as long as no call uses more than was reserved for it.
"""

from collections.abc import Iterable

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts, Limits

BUDGET, BOOK = "budget", "book"
"""The kind of the rows, and the name of the agent's own; the others are accounts of single events."""
EVENT = "event/"
"""How the name of an event's own account begins."""
_replace = msgspec.structs.replace


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit's account."""

    spent: Amounts = Amounts()
    raised: Amounts = Amounts()
    """How much was added to the limit by hand."""
    granted: Amounts = Amounts()
    """Of a limit that several agents share: how much this agent has of it."""
    grants: int = 0
    """How often it got some."""
    told: float = 0.0
    """The share of the limit that was published: the warning's, or 1 where it was reached."""


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is reserved for one call."""

    amounts: Amounts
    accounts: tuple[str, ...]
    at: float
    deadline_seconds: float = 0.0
    """How long the call may take, where that is known."""


class Book(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The accounts of one agent by name, and the reservations by the name of their step."""

    accounts: dict[str, Account] = {}
    open: dict[str, Hold] = {}
    """For calls under way."""
    charged: dict[str, Hold] = {}
    """For calls whose turn ended before they did: charged in full, until somebody says what they came to."""

    def account(self, name: str) -> Account:
        """An account; an empty one where nothing was ever spent."""
        return self.accounts.get(name, Account())

    def used(self, name: str) -> Amounts:
        """What is spent and reserved."""
        holds = (hold.amounts for hold in self.open.values() if name in hold.accounts)
        return sum(holds, self.account(name).spent)

    def hold(self, step: str, hold: Hold) -> None:
        """Reserves."""
        self.open[step] = hold

    def settle(self, step: str, actual: Amounts) -> tuple[str, ...]:
        """The call is over: what it came to takes the place of what was reserved; answers the accounts."""
        hold = self.open.pop(step, None)
        if hold is None:
            return ()
        self._spend(hold.accounts, actual)
        return hold.accounts

    def take_over(self, now: float) -> None:
        """The turn before is gone: what it had reserved is charged in full, its time up to the calls' deadlines."""
        for step, hold in self.open.items():
            seconds = max(hold.amounts.seconds, min(max(0.0, now - hold.at), hold.deadline_seconds))
            full = _replace(hold, amounts=_replace(hold.amounts, seconds=seconds))
            self._spend(hold.accounts, full.amounts)
            self.charged[step] = full
        self.open = {}

    def correct(self, step: str, actual: Amounts) -> bool:
        """A call that was charged in full came to its end after all; says whether that was so."""
        hold = self.charged.pop(step, None)
        if hold is not None:
            self._spend(hold.accounts, actual - hold.amounts)
        return hold is not None

    def change(self, name: str, **fields: object) -> None:
        """Changes an account."""
        self.accounts[name] = _replace(self.account(name), **fields)

    def forget(self, before: str, since: float) -> None:
        """Drops accounts of days before `before`, charges from before `since`, which nobody corrects any more, and the
        accounts of events, which lie in rows of their own.
        """
        self.charged = {step: hold for step, hold in self.charged.items() if hold.at >= since}
        kept = {name for hold in (*self.open.values(), *self.charged.values()) for name in hold.accounts}
        self.accounts = {
            name: account
            for name, account in self.accounts.items()
            if name in kept or not (name.startswith(EVENT) or _is_past(name.rpartition("/")[2], before))
        }

    def _spend(self, names: Iterable[str], amounts: Amounts) -> None:
        for name in names:
            self.change(name, spent=self.account(name).spent + amounts)


def lacking(used: Amounts, limits: Limits, need: Amounts) -> str:
    """Which measure does not suffice for `need`; empty where all do. A measure that is not needed is not asked."""
    for measure, most in limits.given():
        wanted = getattr(need, measure)
        if wanted > 0 and getattr(used, measure) + wanted > most:
            return measure
    return ""


def concerns(limits: Limits, need: Amounts) -> bool:
    """Whether any of the limits measures what is needed."""
    return any(getattr(need, measure) > 0 for measure, _ in limits.given())


def share(used: Amounts, limits: Limits) -> float:
    """How much of the limits is used: of the one that is nearest."""
    return max((float(getattr(used, measure) / most) if most else 1.0 for measure, most in limits.given()), default=0.0)


def _is_past(period: str, before: str) -> bool:
    """Whether the period is a day before that one."""
    return period[:1].isdigit() and len(period) == len(before) and period < before
