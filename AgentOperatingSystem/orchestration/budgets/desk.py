"""The desk of budgets: what limits there are, how far they are used, and raising one by hand, which lets events go on
that wait for it.

Asked by the HTTP door and the command line.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.agents.steps import WAIT
from AgentOperatingSystem.errors import InvalidInput, UnknownAgent
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.ids import AgentId, event_key
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.budgets.book import BOOK, BUDGET, Account, Book
from AgentOperatingSystem.orchestration.budgets.grants import GRANTED, Granted
from AgentOperatingSystem.orchestration.budgets.meter import PAUSE
from AgentOperatingSystem.orchestration.budgets.rules import day_of, ledger_of
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import EventRow, Row, Status

SCOPES = ("agent", "address", "type", "tenant")
SHARED = ("type", "tenant")
PERIODS = ("event", "day", "total")
_replace = msgspec.structs.replace


class BudgetDesk:
    """Limits as they stand, and more of them."""

    def __init__(self, parts: Parts, kernel: Kernel, mailroom: Mailroom) -> None:
        self._parts = parts
        self._kernel = kernel
        self._mailroom = mailroom

    async def raise_limit(
        self, scope: str, whose: str, period: str, more: Amounts, tenant: str, event: tuple[str, str] = ("", "")
    ) -> int:
        """Adds to a limit of an agent (`name/key`), a type or a tenant, for one period: `event` (which `event` names by
        source and id), `day` (today, in UTC) or `total`. Answers how many events went on that had waited.

        A turn of the agent that is under way begins again from its steps. Raises `InvalidInput`, `UnknownAgent`.
        """
        if period not in PERIODS:
            raise InvalidInput(f"period {period[:80]!r}: use {', '.join(PERIODS)}")
        period = day_of(self._parts.clock.now()) if period == "day" else period
        if scope in SHARED and period != "event":
            self._check_known(scope, whose, tenant)
            await self._raise_shared(ledger_of(tenant, scope, whose), period, more)
        elif scope == "agent":
            await self._raise_own(AgentId.parse(whose, tenant), period, more, event_key(*event) if event[1] else "")
        else:
            raise InvalidInput(
                f"scope {scope[:80]!r}, period {period}: use agent, or type and tenant for a day or in total"
            )
        return await self._wake(scope, whose, tenant)

    async def accounts(self, agent: AgentId) -> list[dict[str, Any]]:
        """The limits on an agent's days and on all its time, and how far they are used. Raises `UnknownAgent`."""
        parts, now = self._parts, self._parts.clock.now()
        kind = parts.registry.get(agent)
        value = await parts.store.row(agent, BUDGET, BOOK)
        book = msgspec.json.decode(value, type=Book) if value is not None else Book()
        found: list[dict[str, Any]] = []
        for bound in parts.budgets.bounds(agent, kind.budget, "", now):
            shown: dict[str, Any] = {"scope": bound.scope, "of": bound.whose, "period": bound.period}
            limits, raised, used = bound.limits, book.account(bound.account).raised, book.used(bound.account)
            if bound.shared:
                shared = await self._granted(ledger_of(agent.tenant, bound.scope, bound.whose), bound.period)
                raised, shown["granted"] = shared.raised, shared.granted
            if bound.period != "event":
                shown["used"] = used
            found.append(shown | {"limits": limits.raised(raised), "at_limit": bound.budget.at_limit})
        return found

    # --- inside ---------------------------------------------------------------------------------------------

    def _check_known(self, scope: str, whose: str, tenant: str) -> None:
        """Raises `UnknownAgent`, `InvalidInput` where there is no such type or tenant here."""
        if scope == "type":
            self._parts.registry.get(AgentId(whose))
        elif whose != tenant:
            raise InvalidInput(f"the tenant of this system is {tenant}, not {whose[:80]!r}")

    async def _granted(self, ledger: AgentId, period: str) -> Granted:
        value = await self._parts.store.row(ledger, GRANTED, period)
        return msgspec.json.decode(value, type=Granted) if value is not None else Granted()

    async def _raise_shared(self, ledger: AgentId, period: str, more: Amounts) -> None:
        async def rows() -> tuple[Row, ...]:
            account = await self._granted(ledger, period)
            return (Row(GRANTED, period, encode(_replace(account, raised=account.raised + more, told=0.0))),)

        await self._server(ledger).edit(rows)

    async def _raise_own(self, agent: AgentId, period: str, more: Amounts, key: str) -> None:
        """Both limits that an agent may have: of its class and of its address."""
        if period == "event" and not key:
            raise InvalidInput("which event? name it")
        server = self._server(agent)
        await server.initialize()
        if not server.etag:
            raise UnknownAgent(f"{agent} has never been woken: it has spent nothing")

        async def rows() -> tuple[Row, ...]:
            if key:
                return tuple([await self._of_event(agent, f"event/{key}/{scope}", more) for scope in SCOPES])
            return (await self._of_book(agent, period, more),)

        await server.edit(rows)
        self._kernel.warm.forget(agent)

    async def _of_event(self, agent: AgentId, name: str, more: Amounts) -> Row:
        value = await self._parts.store.row(agent, BUDGET, name)
        account = msgspec.json.decode(value, type=Account) if value is not None else Account()
        return Row(BUDGET, name, encode(_replace(account, raised=account.raised + more, told=0.0)))

    async def _of_book(self, agent: AgentId, period: str, more: Amounts) -> Row:
        value = await self._parts.store.row(agent, BUDGET, BOOK)
        book = msgspec.json.decode(value, type=Book) if value is not None else Book()
        for scope in ("agent", "address"):
            book.change(f"{scope}/{period}", raised=book.account(f"{scope}/{period}").raised + more, told=0.0)
        return Row(BUDGET, BOOK, encode(book))

    def _server(self, agent: AgentId) -> ContextMCPServer:
        parts = self._parts
        return ContextMCPServer(agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)

    async def _wake(self, scope: str, whose: str, tenant: str) -> int:
        """The events that wait for a limit of these agents look again."""
        woken, now = 0, self._parts.clock.now()
        async for row in self._waiting(tenant):
            agent = row.event.agent
            assert agent is not None
            if whose not in {"agent": (str(agent),), "type": (agent.name,)}.get(scope, (whose,)):
                continue
            names = [name for name in row.waits if name.startswith(f"wait-{PAUSE}")]
            for name in names:
                await self._mailroom.accept(_raised(row, name, now))
            woken += bool(names)
        return woken

    async def _waiting(self, tenant: str) -> AsyncIterator[EventRow]:
        after = ""
        while True:
            page = await self._parts.store.find(tenant, Status.WAITING, after, 1000)
            for row in page.items:
                yield row
            after = page.after
            if not after:
                return


def _raised(row: EventRow, step: str, now: float) -> Event:
    """The answer to an event that waits for a limit."""
    return Event(
        id=f"{row.key}-{step}-{now:.6f}",
        source="/budgets",
        type="aos.answer",
        tenant=row.event.tenant,
        agent=row.event.agent,
        correlation=f"{WAIT}{row.key}/{step}",
        conversation=row.event.conversation,
        data="a limit was raised",
    )
