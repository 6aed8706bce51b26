"""Parts of a limit that many agents share: granted out of a partition of its own, one writer at a time.

The meter asks for a part when what its agent has of the limit does not suffice. A grant is a row, named by the agent,
the period and its number there: asked for again after a crash, the same is given again and nothing more.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from AgentOperatingSystem.agents.budgets import MEASURES, Amounts, Limits
from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.events import Message, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.budgets.book import lacking, share
from AgentOperatingSystem.orchestration.budgets.notices import notice
from AgentOperatingSystem.orchestration.budgets.rules import Bound, Budgets, day_of, ledger_of
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import Change, Row

GRANT, GRANTED = "grant", "granted"
CHUNKS = 20
"""A limit is given out in so many parts, as long as a quarter of it is left; then in parts that just suffice."""
RACES_MAX = 1000
OLD_MAX = 20
"""How many grants of past days one grant clears away."""
DAY_LENGTH = 10
_replace = msgspec.structs.replace


class Granted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is gone of a shared limit in one period."""

    granted: Amounts = Amounts()
    raised: Amounts = Amounts()
    told: float = 0.0


class Ledger:
    """The shared account of a type or a tenant."""

    def __init__(self, store: AgentStore, blobs: BlobStore, clock: Callable[[], float], budgets: Budgets) -> None:
        self._store = store
        self._blobs = blobs
        self._now = clock
        self._budgets = budgets

    async def grant(
        self, bound: Bound, agent: AgentId, number: int, need: Amounts
    ) -> tuple[Amounts | None, list[Message]]:
        """The agent's grant with this number: at least `need`, durable when this returns; None where that much is not
        left. And what is to be sent where the store does not.

        Raises `Conflict` where the account is too busy, `StoreUnavailable`.
        """
        ledger = ledger_of(agent.tenant, bound.scope, bound.whose)
        async with self._budgets.locks.setdefault(ledger, asyncio.Lock()):
            for _ in range(RACES_MAX):
                try:
                    return await self._grant(ledger, bound, agent, number, need)
                except Conflict:
                    await asyncio.sleep(0)
        raise Conflict(f"{ledger}: lost the race for the account {RACES_MAX} times; it is too busy")

    async def _grant(
        self, ledger: AgentId, bound: Bound, agent: AgentId, number: int, need: Amounts
    ) -> tuple[Amounts | None, list[Message]]:
        server = ContextMCPServer(ledger, self._store, self._blobs)
        await server.initialize()
        name = f"{bound.period}/{sha256(str(agent).encode()).hexdigest()[:24]}/{number:06d}"
        given = await self._store.row(ledger, GRANT, name)
        if given is not None:
            return msgspec.json.decode(given, type=Amounts), []
        account = await self.granted(ledger, bound.period)
        amounts = part_of(account, bound.limits, need)
        used = account.granted + (amounts or need)
        account, said = _told(account, bound, used, reached=amounts is None)
        rows = [
            Row(
                GRANTED,
                bound.period,
                encode(_replace(account, granted=used if amounts is not None else account.granted)),
            )
        ]
        if amounts is not None:
            rows += [Row(GRANT, name, encode(amounts)), *await self._past(ledger, bound)]
        elif said is None:
            return None, []
        sent = [notice(ledger, said, bound, used, self._now())] if said is not None else []
        head = _replace(server.head, version=server.head.version + 1, updated_at=self._now())
        committed = await server.commit(Change(head=head, etag=server.etag, rows=tuple(rows), outputs=tuple(sent)))
        return amounts, [] if committed.relayed else sent

    async def granted(self, ledger: AgentId, period: str) -> Granted:
        """What is gone in a period."""
        value = await self._store.row(ledger, GRANTED, period)
        return msgspec.json.decode(value, type=Granted) if value is not None else Granted()

    async def _past(self, ledger: AgentId, bound: Bound) -> list[Row]:
        """Grants of past days as deletions: nobody asks for them again."""
        if len(bound.period) != DAY_LENGTH:
            return []
        before = day_of(self._now() - 2 * 86_400.0)
        page = await self._store.rows(ledger, GRANT, limit=OLD_MAX)
        return [Row(GRANT, row.name, None) for row in page.items if row.name[:DAY_LENGTH] < before]


def part_of(account: Granted, limits: Limits, need: Amounts) -> Amounts | None:
    """How much is granted: what is needed, and a part of the limit where plenty is left; None where too little is."""
    limits = limits.raised(account.raised)
    if lacking(account.granted, limits, need):
        return None
    parts = {
        measure: _part(most, getattr(account.granted, measure), getattr(need, measure))
        for measure, most in limits.given()
    }
    return Amounts(**{measure: parts.get(measure, 0) or type(getattr(need, measure))(0) for measure in MEASURES})


def _part(most: Any, gone: Any, need: Any) -> Any:
    """Of one measure: numbers of one type."""
    left = most - gone
    if need <= 0 or left * 4 <= most:
        return need
    part = most // CHUNKS if isinstance(most, int) else most / CHUNKS
    return min(max(need, part), left)


def _told(account: Granted, bound: Bound, used: Amounts, *, reached: bool) -> tuple[Granted, str | None]:
    """What is to be published now, once."""
    if reached:
        return (_replace(account, told=1.0), "reached") if account.told < 1 else (account, None)
    nearest = share(used, bound.limits.raised(account.raised))
    warn_at = bound.budget.warn_at
    if nearest >= warn_at > account.told:
        return _replace(account, told=warn_at), "warning"
    return account, None
