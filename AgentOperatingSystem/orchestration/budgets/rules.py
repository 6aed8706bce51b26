"""Which limits apply to an event: what its agent's class declares and what the budgets' file says, all at once.

Made by the composition file (`Budgets`), asked by the meter of each handling. Reads no store.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import msgspec

from AgentOperatingSystem.agents.budgets import Budget, Limits
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.catalogue import load_table
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import OFFLINE, Usage

DAY_SECONDS = 86_400.0
ASK_AGAIN_SECONDS = 30 * DAY_SECONDS
"""How long an event waits for a limit without an end, before it looks again."""
TOTAL = "total"
LEDGER = "aos.budget"
"""The name of the partitions that keep what agents share; the topic of what is told has the same."""


class BudgetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the setting `budgets_file` names."""

    currency: str = "USD"
    """Of all limits on money, here and in code."""
    agents: dict[str, Budget] = {}
    """By address: `name` or `name/key`."""
    types: dict[str, Budget] = {}
    """By registered name: all agents of the type share what is for a day or for all time."""
    tenants: dict[str, Budget] = {}


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """One limit on the spending of one event, agent, type or tenant, in one period."""

    account: str
    limits: Limits
    budget: Budget
    scope: str
    whose: str
    """For people: the agent, the type or the tenant."""
    period: str
    """`event`, a day in UTC, or `total`."""
    until: float
    """UTC seconds at which it is worth while to look again."""
    shared: bool = False
    """Whether agents get parts of it from the ledger."""

    @property
    def name(self) -> str:
        """For people."""
        when = {"event": "for one event", TOTAL: "in all"}.get(self.period, f"for {self.period}")
        return f"the budget of {self.scope} {self.whose} {when}"


class Budgets:
    """The limits and the prices of one system. `prices` is asked when money is first counted."""

    def __init__(self, file: BudgetFile | None = None, prices: Callable[[], PriceList] = PriceList) -> None:
        self.file = file or BudgetFile()
        self._prices = prices
        self.locks: dict[AgentId, asyncio.Lock] = {}
        """One per shared account: on one host, agents ask for their parts one after the other."""

    @classmethod
    def of(cls, path: Path | None, prices: Path | None) -> "Budgets":
        """From the files that the settings name. Raises `ConfigurationError`."""
        try:
            file = load_table(path, BudgetFile) if path is not None else None
        except ConfigurationError as error:
            raise ConfigurationError(f"budgets_file {path}: {str(error).removeprefix(f'{path}: ')}") from None
        return cls(file, lambda: PriceList(prices))

    def bounds(self, agent: AgentId, declared: Budget | None, key: str, now: float) -> list[Bound]:
        """Every limit on the event with this key, the narrowest first."""
        found = [
            bound
            for scope, whose, budget in self._of(agent, declared)
            for bound in _bounds(scope, whose, budget, key, now)
        ]
        return sorted(found, key=lambda bound: (bound.shared, bound.period != "event"))

    def price(self, model: str, input_tokens: int, output_tokens: int) -> Decimal | str:
        """What a call costs, or why that is not known."""
        provider, _, name = model.partition("/")
        if provider == OFFLINE:
            return Decimal(0)
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        cost, note = self._list.cost(provider, (name,), usage)
        if cost is None:
            return note
        currency = self.file.currency
        return (
            cost.amount
            if cost.currency == currency
            else f"{model} is priced in {cost.currency}, budgets are in {currency}"
        )

    @cached_property
    def _list(self) -> PriceList:
        return self._prices()

    def _of(self, agent: AgentId, declared: Budget | None) -> Iterator[tuple[str, str, Budget]]:
        given = (
            ("agent", str(agent), declared),
            ("address", str(agent), self.file.agents.get(str(agent))),
            ("type", agent.name, self.file.types.get(agent.name)),
            ("tenant", agent.tenant, self.file.tenants.get(agent.tenant)),
        )
        return ((scope, whose, budget) for scope, whose, budget in given if budget is not None)


def day_of(now: float) -> str:
    """The day in UTC, as `2026-11-21`."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def next_day(now: float) -> float:
    """UTC seconds at which the next day begins."""
    return (now // DAY_SECONDS + 1) * DAY_SECONDS


def ledger_of(tenant: str, scope: str, whose: str) -> AgentId:
    """The partition that keeps what the agents of a type or a tenant share."""
    return AgentId(LEDGER, f"{scope}/{whose}", tenant)


def _bounds(scope: str, whose: str, budget: Budget, key: str, now: float) -> Iterator[Bound]:
    day, shared = day_of(now), scope in ("type", "tenant")
    periods = (
        ("event", f"event/{key}/{scope}", budget.event, now + ASK_AGAIN_SECONDS),
        (day, f"{scope}/{day}", budget.day, next_day(now)),
        (TOTAL, f"{scope}/{TOTAL}", budget.total, now + ASK_AGAIN_SECONDS),
    )
    for period, account, limits, until in periods:
        if limits.given():
            yield Bound(
                account=account,
                limits=limits,
                budget=budget,
                scope=scope,
                whose=whose,
                period=period,
                until=until,
                shared=shared and period != "event",
            )
