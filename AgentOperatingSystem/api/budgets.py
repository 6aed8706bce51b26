"""Cost and budgets over HTTP: what was used, how far limits are used, and more of them."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from AgentOperatingSystem.agents.budgets import Amounts, Limits
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.door import Key, TheDoor
from AgentOperatingSystem.api.events import DEFAULT_SOURCE
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.orchestration.budgets.report import costs
from AgentOperatingSystem.orchestration.budgets.rules import DAY_SECONDS, day_of

router = APIRouter(prefix="/api/v1", tags=["budgets"])
DAYS = 30


class CostView(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent, type, model, tenant or day used."""

    name: str
    model_calls: int
    failed: int
    """Calls of models that raised, among them."""
    cache_hits: int
    input_tokens: int
    output_tokens: int
    money: dict[str, Decimal]
    """By currency: of the calls whose cost is known."""
    unknown: int
    """How many calls of models have a cost that nobody knows."""
    tool_calls: int
    seconds: float


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that applies to an agent."""

    scope: str
    of: str
    period: str
    limits: Limits
    at_limit: str
    used: Amounts | None = None
    """By this agent, with what is reserved for calls under way; None for limits of single events."""
    granted: Amounts | None = None
    """Of a shared limit: what all agents have got of it so far."""


class RaiseIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More of a limit."""

    scope: str
    """`agent`, `type` or `tenant`."""
    of: str
    period: str
    """`event`, `day` (today, in UTC) or `total`."""
    by: Amounts
    event: str = ""
    """The event's id, where the period is `event`."""
    source: str = DEFAULT_SOURCE


class RaisedView(msgspec.Struct, frozen=True):
    """What a raised limit let go on."""

    went_on: int
    """Events that had waited."""


@router.get("/cost", **documented(page_of=CostView))
async def show_cost(
    door: TheDoor,
    by: Annotated[str, Query(description="One line for each agent, type, model, tenant or day.")] = "agent",
    since: Annotated[str, Query(description="The first day, in UTC: 2026-01-31; 30 days ago.")] = "",
    until: Annotated[str, Query(description="The last day; today.")] = "",
    agent: Annotated[str, Query(description="Only addresses that begin so.")] = "",
) -> Response:
    """What models and tools were used and what they cost, the dearest first."""
    now = door.aos.clock.now()
    tenant = "" if by == "tenant" else door.config.tenant
    days = (since or day_of(now - (DAYS - 1) * DAY_SECONDS), until or day_of(now))
    lines = await costs(door.aos.parts.store, tenant, by, *days, agent)
    views = [
        CostView(
            name=line.name,
            model_calls=line.models.calls,
            failed=line.models.failed,
            cache_hits=line.models.cache_hits,
            input_tokens=line.models.input_tokens,
            output_tokens=line.models.output_tokens,
            money=line.models.money,
            unknown=line.models.unknown,
            tool_calls=line.tool_calls,
            seconds=line.seconds,
        )
        for line in lines
    ]
    return answer({"items": views, "since": days[0], "until": days[1]})


@router.get("/agents/{name}/budgets", **documented(page_of=BudgetView))
async def show_budgets(door: TheDoor, name: str, key: Key = "") -> Response:
    """The limits that apply to an agent now, and how far they are used."""
    found: list[dict[str, Any]] = await door.aos.budgets.accounts(door.address(name, key))
    return answer({"items": [BudgetView(**each) for each in found]})


@router.post("/budgets/raise", **documented(RaisedView, body=RaiseIn))
async def raise_budget(door: TheDoor, request: Request) -> Response:
    """Adds to a limit of an agent (`name/key`), a type or a tenant; events that waited for it go on."""
    said = await read_json(request, RaiseIn, door)
    if said.by == Amounts() or min(msgspec.structs.astuple(said.by)) < 0:
        raise InvalidInput('by: say how much more, such as {"model_calls": 10}')
    event = (said.source, said.event)
    went_on = await door.aos.budgets.raise_limit(said.scope, said.of, said.period, said.by, door.config.tenant, event)
    return answer(RaisedView(went_on))
