"""How much a call may come to, and what it came to. Pure.

The meter reserves the one and settles the other. What nobody knows afterwards is charged as it was reserved.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.agents.steps import Call, Spent, StepKind
from AgentOperatingSystem.errors import (
    BadModelRequest,
    ConfigurationError,
    ContextOverflow,
    ModelError,
    ModelUnauthorized,
    RateLimited,
    UnknownModel,
    UnsupportedRequest,
)
from AgentOperatingSystem.ml.records import NOTHING_USED, Usage
from AgentOperatingSystem.orchestration.budgets.rules import Bound, Budgets

TIME_SECONDS = 1.0
"""What is reserved of a limit on time; how long a call takes shows when it ends."""
MILLION = 1_000_000
REFUSED = (RateLimited, ModelUnauthorized, BadModelRequest, UnknownModel, ContextOverflow, UnsupportedRequest)
"""The provider has not begun: nothing of it is billed."""
_replace = msgspec.structs.replace


def need_of(call: Call, model: str, bounds: Sequence[Bound], budgets: Budgets) -> Amounts:
    """The most that the call is expected to use, asked of `model`. Raises `ConfigurationError` where money is limited
    and the model has no price.
    """
    if call.kind is StepKind.TOOL:
        return Amounts(tool_calls=1, seconds=TIME_SECONDS)
    if call.kind is not StepKind.MODEL:
        return Amounts(seconds=TIME_SECONDS)
    asked = call.input_tokens() if call.input_tokens is not None else 0
    answer = call.tokens_max or max(bound.budget.output_tokens for bound in bounds)
    money = money_for(model, asked, answer, bounds, budgets)
    return Amounts(tokens=asked + answer, money=money, model_calls=1, seconds=TIME_SECONDS)


def money_for(model: str, asked: int, answer: int, bounds: Sequence[Bound], budgets: Budgets) -> Decimal:
    """What so many tokens cost; nothing where no limit is on money. Raises `ConfigurationError`."""
    limited = [bound for bound in bounds if bound.limits.money is not None]
    if not limited:
        return Decimal(0)
    price = budgets.price(model, asked, answer)
    if isinstance(price, Decimal):
        return price
    for bound in limited:
        if bound.budget.unknown_price is None:
            raise ConfigurationError(
                f"{bound.name} limits money, and {price}: {model} is not asked. "
                "Give its price in prices_file, or what a million tokens are taken to cost: the budget's unknown_price"
            )
    return max(bound.budget.unknown_price or Decimal(0) for bound in limited) * (asked + answer) / MILLION


def came_to(reserved: Amounts, spent: Spent | None, seconds: float, currency: str) -> Amounts:
    """What a call used that has ended, where `reserved` was."""
    if spent is None or reserved.model_calls == 0:
        return _replace(reserved, seconds=seconds)
    if spent.cache_hit:
        return Amounts(seconds=seconds)
    known = spent.input_tokens is not None and spent.output_tokens is not None
    tokens = (spent.input_tokens or 0) + (spent.output_tokens or 0) if known else reserved.tokens
    money = reserved.money
    if spent.cost is not None and spent.currency == currency:
        money = Decimal(spent.cost)
    elif known and reserved.tokens:
        money = reserved.money * tokens / reserved.tokens
    return _replace(reserved, tokens=tokens, money=money, seconds=seconds)


def failed_at(reserved: Amounts, error: BaseException, seconds: float) -> Amounts:
    """What a call used that raised: nothing where nobody was reached, nothing but the call where the provider refused
    it, what it says it used where it says so, else all that was reserved: an answer that was cut off is billed.
    """
    usage = error.usage if isinstance(error, ModelError) else None
    if usage == NOTHING_USED:
        return Amounts(seconds=seconds)
    known = isinstance(usage, Usage) and usage.input_tokens is not None and usage.output_tokens is not None
    if isinstance(error, REFUSED) and not known:
        return Amounts(model_calls=reserved.model_calls, seconds=seconds)
    if isinstance(usage, Usage) and known and reserved.tokens:
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        return _replace(reserved, tokens=tokens, money=reserved.money * tokens / reserved.tokens, seconds=seconds)
    return _replace(reserved, seconds=seconds)
