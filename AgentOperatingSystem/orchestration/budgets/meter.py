"""The meter of one event's handling: what may a call use, is there room for it, and what has it come to.

The journal asks it before each call (`reserve`) and tells it after (`settle`, `failed`); what changes rides as rows in
the journal's own appends (`rows`). An agent without a budget reserves nothing: only the cost of its day is written,
with the step. Decisions are in `book.py` and `estimates.py`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.agents.steps import Call, Step, StepKind, hash_of
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Message, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.awake import Awake
from AgentOperatingSystem.orchestration.budgets import late
from AgentOperatingSystem.orchestration.budgets.accounts import Accounts
from AgentOperatingSystem.orchestration.budgets.book import (
    BOOK,
    BUDGET,
    EVENT,
    Account,
    Book,
    Hold,
    concerns,
    lacking,
    share,
)
from AgentOperatingSystem.orchestration.budgets.costs import COST, DayCost, cost_of
from AgentOperatingSystem.orchestration.budgets.estimates import came_to, failed_at, need_of
from AgentOperatingSystem.orchestration.budgets.grants import Ledger
from AgentOperatingSystem.orchestration.budgets.notices import notice
from AgentOperatingSystem.orchestration.budgets.rules import DAY_SECONDS, Bound, day_of
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Row

PAUSE = "budget-"
"""How the hash of a step begins that waits for a limit."""
SETTLED_MAX = 16
_METERED = (StepKind.MODEL, StepKind.TOOL)


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no room for a call; where `budget` is None, a person has to change the configuration."""

    reason: str
    budget: Budget | None = None
    account: str = ""
    until: float = 0.0
    """UTC seconds at which it is worth while to look again."""

    @property
    def pauses(self) -> bool:
        """Whether the event waits, rather than fails."""
        if self.budget is None:
            return False
        return (self.budget.then if self.budget.at_limit == "fallback" else self.budget.at_limit) == "pause"

    @property
    def pause(self) -> str:
        """The hash of the step that waits."""
        return PAUSE + hash_of(self.account)[:32]


class Meter:
    """What one handling uses. Made with the journal; nothing is read before the first call that is metered."""

    def __init__(self, parts: Parts, awake: Awake, agent: AgentId, case: Case) -> None:
        self._parts = parts
        self._awake = awake
        self._agent = agent
        self._key = case.key
        self._event = case.event.id
        self._lock = asyncio.Lock()
        self._bounds: list[Bound] = []
        self._opened = False
        self._began_on: dict[str, str] = {}
        """The day of each call under way, by its step."""
        self._timed_from = 0.0
        self._settled: dict[str, Amounts] = {}
        """What the last calls came to."""
        self._dirty: set[tuple[str, str]] = set()
        self._notices: list[Message] = []

    async def reserve(self, step: str, call: Call) -> str | Refused:
        """Makes room for a call: the other model that is to be asked (empty: its own), or why there is none. What it
        changed (`rows`) has to be durable before the call is made. Raises what the store raises.
        """
        now = self._parts.clock.now()
        async with self._lock:
            if call.kind in _METERED:
                self._began_on[step] = await self._day(now)
            self._bounds = self._limits(now)
            if not self._bounds:
                return ""
            await self._open(now)
            return await self._reserved(step, call)

    def settle(self, step: Step) -> None:
        """A call has ended, with a result."""
        self._note(step, cost_of(step))
        self._settle(step.name, lambda held, seconds: came_to(held, step.spent, seconds, self._currency))

    def failed(self, step: Step, error: BaseException) -> None:
        """A call has raised."""
        ended = msgspec.structs.replace(step, ended_at=self._parts.clock.now())
        self._note(ended, cost_of(ended, failed=True))
        self._settle(step.name, lambda held, seconds: failed_at(held, error, seconds))

    async def late(self, step: Step) -> None:
        """A call has ended after its turn; the next turn, which charges it in full, is told. Raises nothing."""
        accounts = self._awake.accounts
        hold = accounts.book.open.get(self._named(step.name)) if accounts is not None else None
        if hold is not None:
            actual = came_to(hold.amounts, step.spent, hold.amounts.seconds, self._currency)
            await late.tell(self._parts, self._agent, {late.name_of(self._named(step.name), hold): actual})

    async def tell(self) -> None:
        """The turn is overtaken: what its last calls came to may not have been written, and is told. Raises nothing."""
        if self._settled:
            await late.tell(self._parts, self._agent, self._settled)

    def holds(self, step: str) -> bool:
        """Whether something is reserved for a call."""
        accounts = self._awake.accounts
        return accounts is not None and self._named(step) in accounts.book.open

    def rows(self) -> tuple[Row, ...]:
        """What has changed since the last time, as it is now."""
        accounts = self._awake.accounts
        if accounts is None or not self._dirty:
            return ()
        changed, self._dirty = sorted(self._dirty), set()
        return tuple(Row(kind, name, _value(accounts, kind, name)) for kind, name in changed)

    def notices(self) -> tuple[Message, ...]:
        """What is to be published with them."""
        said, self._notices = tuple(self._notices), []
        return said

    # --- what is known --------------------------------------------------------------------------------------

    @property
    def _currency(self) -> str:
        return self._parts.budgets.file.currency

    def _named(self, step: str) -> str:
        return f"{self._key}/{step}"

    def _limits(self, now: float) -> list[Bound]:
        declared = self._awake.kind.budget if self._awake.kind is not None else None
        return self._parts.budgets.bounds(self._agent, declared, self._key, now)

    async def _accounts(self) -> Accounts:
        if self._awake.accounts is None:
            value = await self._parts.store.row(self._agent, BUDGET, BOOK)
            book = msgspec.json.decode(value, type=Book) if value is not None else Book()
            self._awake.accounts = Accounts(book)
        return self._awake.accounts

    async def _day(self, now: float) -> str:
        """The day, with what it has cost so far at hand."""
        day, accounts = day_of(now), await self._accounts()
        if day not in accounts.days:
            value = await self._parts.store.row(self._agent, COST, day)
            accounts.days[day] = msgspec.json.decode(value, type=DayCost) if value is not None else DayCost()
        return day

    async def _open(self, now: float) -> None:
        """Before the first reservation: what an earlier turn had reserved and never settled is charged."""
        if self._opened:
            return
        book = (await self._accounts()).book
        book.forget(day_of(now - DAY_SECONDS), now - DAY_SECONDS)
        await self._read_events(book)
        if book.open:
            held = {name for hold in book.open.values() for name in hold.accounts}
            book.take_over(now)
            self._touch(held)
        if book.charged:
            await self._correct(book)
        self._timed_from, self._opened = now, True

    async def _read_events(self, book: Book) -> None:
        """The accounts of single events lie in rows of their own: this event's, and those that may be charged."""
        holds = (*book.open.values(), *book.charged.values())
        names = {bound.account for bound in self._bounds}.union(*(hold.accounts for hold in holds))
        for name in sorted(name for name in names if name.startswith(EVENT)):
            value = await self._parts.store.row(self._agent, BUDGET, name)
            if value is not None:
                book.accounts[name] = msgspec.json.decode(value, type=Account)

    async def _correct(self, book: Book) -> None:
        """What calls of turns that are gone came to after all takes the place of their full charge."""
        for step, actual in (await late.told(self._parts, self._agent, book.charged)).items():
            accounts = book.charged[step].accounts
            book.correct(step, actual)
            self._touch(accounts)

    # --- before a call --------------------------------------------------------------------------------------

    async def _reserved(self, step: str, call: Call) -> str | Refused:
        refused = await self._fits(step, call, call.what)
        other = refused.budget.fallback_model if refused is not None and refused.budget is not None else ""
        if refused is None or not other or call.kind is not StepKind.MODEL:
            return refused or ""
        return await self._fits(step, call, other) or other

    async def _fits(self, step: str, call: Call, model: str) -> Refused | None:
        """Reserves the call where all limits have room for it; else answers which one has not."""
        try:
            need = need_of(call, model, self._bounds, self._parts.budgets)
        except ConfigurationError as error:
            return Refused(f"configuration: {error}")
        book = (await self._accounts()).book
        bounds = [bound for bound in self._bounds if concerns(bound.limits, need)]
        for bound in bounds:
            measure = await (self._granted(book, bound, need) if bound.shared else self._lacking(book, bound, need))
            if measure:
                return _refused(bound, measure, need, call)
        if bounds:
            names = tuple(bound.account for bound in bounds)
            at = self._parts.clock.now()
            book.hold(
                self._named(step), Hold(amounts=need, accounts=names, at=at, deadline_seconds=call.deadline_seconds)
            )
            self._touch(names)
            self._warn(book, bounds)
        return None

    async def _lacking(self, book: Book, bound: Bound, need: Amounts) -> str:
        """Which measure of a limit of the agent's own does not suffice."""
        account = book.account(bound.account)
        measure = lacking(book.used(bound.account), bound.limits.raised(account.raised), need)
        if measure and account.told < 1:
            self._tell(book, bound, "reached", 1.0)
        return measure

    async def _granted(self, book: Book, bound: Bound, need: Amounts) -> str:
        """Which measure of a shared limit does not suffice, after the agent asked for its part of what is left."""
        parts = self._parts
        ledger = Ledger(parts.store, parts.blobs, parts.clock.now, parts.budgets)
        while True:
            account, used = book.account(bound.account), book.used(bound.account)
            measure = lacking(used, _given(bound.limits, account.granted), need)
            if not measure:
                return ""
            missing = _missing(bound.limits, used + need, account.granted)
            part, notices = await ledger.grant(bound, self._agent, account.grants, missing)
            if notices:
                await parts.bus.send(notices)
            if part is None:
                return measure
            book.change(bound.account, granted=account.granted + part, grants=account.grants + 1)
            self._touch((bound.account,))

    def _warn(self, book: Book, bounds: list[Bound]) -> None:
        for bound in bounds:
            account, at = book.account(bound.account), bound.budget.warn_at
            limits = bound.limits.raised(account.raised)
            if not bound.shared and account.told < at <= share(book.used(bound.account), limits):
                self._tell(book, bound, "warning", at)

    def _tell(self, book: Book, bound: Bound, said: str, told: float) -> None:
        now = self._parts.clock.now()
        book.change(bound.account, told=told)
        self._touch((bound.account,))
        self._notices.append(notice(self._agent, said, bound, book.used(bound.account), now, self._event))

    # --- after a call ---------------------------------------------------------------------------------------

    def _note(self, step: Step, cost: DayCost) -> None:
        """Adds to the day on which the call began."""
        day, accounts = self._began_on.pop(step.name, ""), self._awake.accounts
        if day and accounts is not None:
            accounts.days[day] = accounts.days[day] + cost
            self._dirty.add((COST, day))

    def _settle(self, step: str, actual: Callable[[Amounts, float], Amounts]) -> None:
        """Puts what a call came to in the place of what was reserved; its time is what passed since the last one."""
        accounts = self._awake.accounts
        hold = accounts.book.open.get(self._named(step)) if accounts is not None else None
        if accounts is None or hold is None:
            return
        now = self._parts.clock.now()
        seconds, self._timed_from = max(0.0, now - self._timed_from), now
        used = actual(hold.amounts, seconds)
        told = late.name_of(self._named(step), hold)
        self._settled = dict([*self._settled.items(), (told, used)][-SETTLED_MAX:])
        self._touch(accounts.book.settle(self._named(step), used))

    def _touch(self, accounts: "tuple[str, ...] | set[str]") -> None:
        """These accounts are to be written."""
        self._dirty |= {(BUDGET, name) for name in accounts if name.startswith(EVENT)} | {(BUDGET, BOOK)}


def _value(accounts: Accounts, kind: str, name: str) -> bytes:
    if kind == COST:
        return encode(accounts.days[name])
    if name != BOOK:
        return encode(accounts.book.account(name))
    book = accounts.book
    own = {name: account for name, account in book.accounts.items() if not name.startswith(EVENT)}
    return encode(Book(accounts=own, open=book.open, charged=book.charged))


def _given(limits: Limits, granted: Amounts) -> Limits:
    """What the agent has of a shared limit, as limits of its own."""
    return Limits(**{measure: getattr(granted, measure) for measure, _ in limits.given()})


def _missing(limits: Limits, wanted: Amounts, granted: Amounts) -> Amounts:
    gaps = {measure: getattr(wanted, measure) - getattr(granted, measure) for measure, _ in limits.given()}
    return Amounts(**{measure: gap for measure, gap in gaps.items() if gap > 0})


def _refused(bound: Bound, measure: str, need: Amounts, call: Call) -> Refused:
    most = dict(bound.limits.given())[measure]
    reason = f"{bound.name} is reached: {most:g} {measure}; {call.what} needs {getattr(need, measure):g} more"
    return Refused(reason, bound.budget, bound.account, bound.until)
