"""Was more spent than was allowed, and is all of it in the books? The calls that really began, against what was
reserved durably before. Pure: over the history of a world.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from AgentOperatingSystem.agents.budgets import Amounts, Limits
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.book import EVENT, Book
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile, ledger_of
from AgentOperatingSystem.proof.simulator.history import Called, Charged, Corrected, Entry, Limited, Reserved, Told

MEASURES = ("tokens", "model_calls", "tool_calls")
Place = tuple[AgentId, str]
"""Whose account, and its name there; a shared one is its ledger's, by the period."""


class SpendingJudge:
    """Goes once through a history."""

    def __init__(self, file: BudgetFile) -> None:
        self.found: list[str] = []
        self._file = file
        self._billed: dict[Place, Amounts] = defaultdict(Amounts)
        self._by_agent: dict[Place, Amounts] = defaultdict(Amounts)
        self._raised: dict[Place, Amounts] = defaultdict(Amounts)
        self._granted: dict[Place, Amounts] = defaultdict(Amounts)
        self._reserved: dict[tuple[AgentId, str], list[Reserved]] = defaultdict(list)
        self._calls: Counter[tuple[AgentId, str]] = Counter()
        self._charged: dict[tuple[AgentId, str, float], float] = {}
        """Full charges that nobody has corrected, with the time at which what they came to was told; 0 before that."""

    def judge(self, history: list[Entry], books: dict[AgentId, Book]) -> list[str]:
        """What was found wrong."""
        for entry in history:
            if isinstance(entry, Called):
                self._called(entry)
            elif isinstance(entry, Reserved):
                step = entry.step.rpartition("-")[0]
                self._reserved[entry.agent, step].append(entry)
            elif isinstance(entry, Limited):
                self._limited(entry)
            else:
                self._late(entry)
        self._at_the_end(books)
        return self.found

    # --- one entry ------------------------------------------------------------------------------------------

    def _called(self, call: Called) -> None:
        """A call stands on a reservation of its own, in every account that limits it; and none is overdrawn."""
        self._is_corrected(call)
        wanted = {name for name, limits in self._accounts(call.agent, call.key) if _concerns(limits, call.billed)}
        if not wanted:
            return
        step = (call.agent, f"{call.key}/{call.step}")
        self._calls[step] += 1
        if self._calls[step] > len(self._reserved[step]):
            self.found.append(f"budget: {call.agent} called {call.step} of {call.key}, which nothing was reserved for")
            return
        accounts = self._reserved[step][-1].accounts
        missing = wanted - {_general(account) for account in accounts}
        if missing:
            self.found.append(f"budget: {call.agent} called {call.step} of {call.key} past {sorted(missing)}")
        for account in accounts:
            self._by_agent[call.agent, account] += call.billed
            self._spent(call, account)

    def _spent(self, call: Called, account: str) -> None:
        place = _place(call.agent, account)
        self._billed[place] += call.billed
        limits = dict(self._accounts(call.agent, call.key))[_general(account)]
        if over := _over(self._billed[place], limits, self._raised[place]):
            self.found.append(f"budget: {place[0]} {account} is overdrawn by call {call.step} of {call.key}: {over}")

    def _limited(self, entry: Limited) -> None:
        place = (entry.owner, entry.account)
        self._raised[place], self._granted[place] = entry.raised, entry.granted
        for (ledger, _), limits in self._ledgers().items():
            if ledger == entry.owner and (over := _over(entry.granted, limits, entry.raised)):
                self.found.append(f"budget: {ledger} has given away {over} for {entry.account}")

    def _late(self, entry: Entry) -> None:
        if isinstance(entry, Charged):
            self._charged[entry.agent, entry.step, entry.at] = 0.0
        elif isinstance(entry, Corrected):
            self._charged.pop((entry.agent, entry.step, entry.at), None)
        elif isinstance(entry, Told):
            for place in self._charged:
                if place[1:] == (entry.step, entry.at):
                    self._charged[place] = entry.now

    def _is_corrected(self, call: Called) -> None:
        """Whoever begins after it was told what a call came to charges it no longer in full."""
        for (agent, step, _), told in self._charged.items():
            if agent == call.agent and 0 < told < call.began and self._limits_anything(call):
                self.found.append(f"budget: {agent} still charges {step} in full, which came to its end at {told:g}")

    def _limits_anything(self, call: Called) -> bool:
        return any(_concerns(limits, call.billed) for _, limits in self._accounts(call.agent, call.key))

    # --- the end --------------------------------------------------------------------------------------------

    def _at_the_end(self, books: dict[AgentId, Book]) -> None:
        for (agent, account), billed in self._by_agent.items():
            used = books[agent].used(account) if agent in books else Amounts()
            for measure in MEASURES:
                if getattr(used, measure) < getattr(billed, measure):
                    what = f"{agent} {account}: its book says {getattr(used, measure)} {measure}"
                    self.found.append(f"budget: {what}, {getattr(billed, measure)} were billed")
        shares: dict[Place, Amounts] = defaultdict(Amounts)
        for agent, book in books.items():
            for name, own in book.accounts.items():
                if not name.startswith(EVENT):
                    shares[_place(agent, name)] += own.granted
        for place, given in shares.items():
            if any(getattr(given, measure) > getattr(self._granted[place], measure) for measure in MEASURES):
                self.found.append(f"budget: agents have {given} of {place[0]}, which gave {self._granted[place]}")

    # --- what is allowed ------------------------------------------------------------------------------------

    def _accounts(self, agent: AgentId, key: str) -> Iterator[tuple[str, Limits]]:
        """All accounts of an event, without the day, and their limits."""
        file = self._file
        given = (("address", file.agents.get(str(agent))), ("type", file.types.get(agent.name)))
        for scope, budget in (*given, ("tenant", file.tenants.get(agent.tenant))):
            if budget is not None:
                yield f"{EVENT}{key}/{scope}", budget.event
                yield scope, budget.day

    def _ledgers(self) -> dict[tuple[AgentId, str], Limits]:
        types = {(ledger_of("default", "type", name), "type"): budget.day for name, budget in self._file.types.items()}
        tenants = {(ledger_of(name, "tenant", name), ""): budget.day for name, budget in self._file.tenants.items()}
        return types | tenants


def _general(account: str) -> str:
    """An account's name without its day."""
    return account if account.startswith(EVENT) else account.partition("/")[0]


def _place(agent: AgentId, account: str) -> Place:
    scope, _, period = account.partition("/")
    if scope in ("type", "tenant"):
        return ledger_of(agent.tenant, scope, agent.name if scope == "type" else agent.tenant), period
    return agent, account


def _concerns(limits: Limits, billed: Amounts) -> bool:
    return any(getattr(billed, measure) > 0 for measure, _ in limits.given())


def _over(used: Amounts, limits: Limits, raised: Amounts) -> str:
    """Which limit is passed, in words."""
    for measure, most in limits.given():
        allowed: Any = most + getattr(raised, measure)
        if getattr(used, measure) > allowed:
            return f"{getattr(used, measure)} of {allowed} {measure}"
    return ""
