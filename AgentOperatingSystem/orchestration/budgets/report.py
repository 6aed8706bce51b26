"""What was used and what it cost, from the rows that the meter keeps of each agent's days: no step is read.

Asked by `GET /api/v1/cost` and `aos cost`. A call whose cost nobody knows is counted as that, never as nothing.
"""

from collections.abc import AsyncIterator
from datetime import date

import msgspec

from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.costs import COST, DayCost, Used
from AgentOperatingSystem.storage.ports import AgentStore

WAYS = ("agent", "type", "model", "tenant", "day")
_PAGE = 1000


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent, a type, a model, a tenant or a day came to."""

    name: str
    models: Used
    """All calls of models together."""
    tool_calls: int = 0
    seconds: float = 0.0
    """How long all calls took, together; of single models that is not kept."""


async def costs(store: AgentStore, tenant: str, by: str, since: str, until: str, agent: str = "") -> list[CostLine]:
    """One line for each, the dearest first; of the days (UTC) from `since` to `until`, both included. `agent` is the
    beginning of the addresses that count; an empty tenant means all.

    One read for each agent that was awake since then. Raises `InvalidInput`.
    """
    if by not in WAYS:
        raise InvalidInput(f"by={by[:80]!r}: use {', '.join(WAYS)}")
    _check_days(since, until)
    lines: dict[str, DayCost] = {}
    async for who in _agents(store, tenant, agent, from_iso(f"{since}T00:00:00Z")):
        async for day, cost in _days(store, who, since, until):
            for name, part in _parts(by, who, day, cost):
                lines[name] = lines.get(name, DayCost()) + part
    found = [_line(name, cost) for name, cost in lines.items()]
    return sorted(found, key=lambda line: (-sum(line.models.money.values()), -line.models.calls, line.name))


def _parts(by: str, agent: AgentId, day: str, cost: DayCost) -> list[tuple[str, DayCost]]:
    if by == "model":
        return [(model, DayCost(models={model: used})) for model, used in cost.models.items()]
    return [({"agent": str(agent), "type": agent.name, "tenant": agent.tenant}.get(by, day), cost)]


def _line(name: str, cost: DayCost) -> CostLine:
    models = sum(cost.models.values(), Used())
    return CostLine(name=name, models=models, tool_calls=cost.tool_calls, seconds=cost.seconds)


async def _agents(store: AgentStore, tenant: str, prefix: str, since: float) -> AsyncIterator[AgentId]:
    """Agents that were awake since then."""
    after = ""
    while True:
        page = await store.agents(tenant, prefix, after, _PAGE)
        for head in page.items:
            if head.updated_at >= since:
                yield head.agent
        after = page.after
        if not after:
            return


async def _days(store: AgentStore, agent: AgentId, since: str, until: str) -> AsyncIterator[tuple[str, DayCost]]:
    after = ""
    while True:
        page = await store.rows(agent, COST, after=after, limit=_PAGE)
        for row in page.items:
            if since <= row.name <= until and row.value is not None:
                yield row.name, msgspec.json.decode(row.value, type=DayCost)
        after = page.after
        if not after:
            return


def _check_days(*days: str) -> None:
    for day in days:
        try:
            date.fromisoformat(day)
        except ValueError:
            raise InvalidInput(f"{day[:80]!r} is no day: write 2026-01-31") from None
