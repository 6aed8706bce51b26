"""What an agent used on one day, as one small row that rides in the append of each of its calls.

Written by the meter, read by `aos cost` and `GET /api/v1/cost`: no step is read for a report. What is not known is
counted as unknown.
"""

from decimal import Decimal

import msgspec

from AgentOperatingSystem.agents.steps import Spent, Step, StepKind

COST = "cost"
"""The kind of the row; its name is the day in UTC."""
_replace = msgspec.structs.replace


class Used(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one model's calls came to."""

    calls: int = 0
    failed: int = 0
    """Calls that raised, among them."""
    cache_hits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: dict[str, Decimal] = {}
    """By currency."""
    unknown: int = 0
    """Calls whose cost nobody knows."""

    def __add__(self, other: "Used") -> "Used":
        currencies = {*self.money, *other.money}
        return Used(
            calls=self.calls + other.calls,
            failed=self.failed + other.failed,
            cache_hits=self.cache_hits + other.cache_hits,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            money={each: self.money.get(each, Decimal(0)) + other.money.get(each, Decimal(0)) for each in currencies},
            unknown=self.unknown + other.unknown,
        )


class DayCost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One agent's day."""

    models: dict[str, Used] = {}
    """By `provider/model`."""
    tool_calls: int = 0
    seconds: float = 0.0
    """How long its calls took, together."""

    def __add__(self, other: "DayCost") -> "DayCost":
        models = {
            name: self.models.get(name, Used()) + other.models.get(name, Used())
            for name in {*self.models, *other.models}
        }
        seconds = round(self.seconds + other.seconds, 3)
        return DayCost(models=models, tool_calls=self.tool_calls + other.tool_calls, seconds=seconds)


def cost_of(step: Step, *, failed: bool = False) -> DayCost:
    """What one call adds to its day."""
    seconds = max(0.0, step.ended_at - step.began_at)
    if step.kind is not StepKind.MODEL:
        return DayCost(tool_calls=1, seconds=seconds)
    spent = step.spent or Spent(input_tokens=None, output_tokens=None, cost=None)
    priced = spent.cost is not None
    used = Used(
        calls=1,
        failed=failed,
        cache_hits=spent.cache_hit,
        input_tokens=spent.input_tokens or 0,
        output_tokens=spent.output_tokens or 0,
        money={spent.currency: Decimal(spent.cost)} if spent.cost is not None and Decimal(spent.cost) else {},
        unknown=not priced,
    )
    return DayCost(models={spent.model or step.what: used}, seconds=seconds)
