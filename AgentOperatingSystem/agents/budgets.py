"""What an agent may spend: declared on its class as `budget = Budget(...)`, or in the file that `budgets_file` names.

The kernel's journal asks before each call whether it still fits (`orchestration/budgets`). Frozen records, no decision.
"""

from decimal import Decimal
from typing import Literal, Self

import msgspec

from AgentOperatingSystem.errors import ConfigurationError

NOTHING = Decimal(0)
MEASURES = ("tokens", "money", "model_calls", "tool_calls", "seconds")
AtLimit = Literal["pause", "fail", "fallback"]


class Amounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of everything that a budget measures."""

    tokens: int = 0
    """Of requests and answers together."""
    money: Decimal = NOTHING
    model_calls: int = 0
    tool_calls: int = 0
    seconds: float = 0.0
    """How long events were in a turn's hand."""

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            tokens=self.tokens + other.tokens,
            money=self.money + other.money,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
            seconds=round(self.seconds + other.seconds, 3),
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            tokens=self.tokens - other.tokens,
            money=self.money - other.money,
            model_calls=self.model_calls - other.model_calls,
            tool_calls=self.tool_calls - other.tool_calls,
            seconds=round(self.seconds - other.seconds, 3),
        )


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The most of each that may be spent; None is no limit. Raises `ConfigurationError`."""

    tokens: int | None = None
    money: Decimal | None = None
    """In the currency of the price table: US dollars in the one that is shipped."""
    model_calls: int | None = None
    tool_calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for measure, most in self.given():
            if most < 0:
                raise ConfigurationError(f"budget: a limit of {most} {measure} is less than nothing")
        if self.money is not None and not isinstance(self.money, Decimal):
            msgspec.structs.force_setattr(self, "money", Decimal(str(self.money)))

    def given(self) -> list[tuple[str, int | float | Decimal]]:
        """The measures that are limited, with their limits."""
        return [(measure, most) for measure in MEASURES if (most := getattr(self, measure)) is not None]

    def raised(self, by: Amounts) -> Self:
        """The limits with so much more."""
        return msgspec.structs.replace(self, **{measure: most + getattr(by, measure) for measure, most in self.given()})


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The limits of one agent, type or tenant, and what happens when one is reached. Raises `ConfigurationError`."""

    event: Limits = Limits()
    """For each event, over all of its tries."""
    day: Limits = Limits()
    """For each day, in UTC."""
    total: Limits = Limits()
    """For all time."""
    at_limit: AtLimit = "pause"
    """`pause`: the event waits, for free, until the limit is raised or the day is over. `fail`: it ends as failed.
    `fallback`: another model is asked.
    """
    fallback_model: str = ""
    """`provider/model`."""
    then: Literal["pause", "fail"] = "pause"
    """What happens where the other model does not fit either."""
    warn_at: float = 0.8
    """The share of a limit from which a warning is published, once."""
    unknown_price: Decimal | None = None
    """What a million tokens are taken to cost of a model whose price is not known. None: such a model is not asked
    where money is limited.
    """
    output_tokens: int = 2048
    """What is reserved for the answer to a request that names no `max_output_tokens`."""

    def __post_init__(self) -> None:
        if self.at_limit not in ("pause", "fail", "fallback") or self.then not in ("pause", "fail"):
            raise ConfigurationError(
                f"budget: at_limit={self.at_limit!r}, then={self.then!r}: use pause, fail or fallback"
            )
        if (self.at_limit == "fallback") != bool(self.fallback_model):
            raise ConfigurationError("budget: at_limit='fallback' and fallback_model='provider/model' belong together")
        if not 0 < self.warn_at <= 1:
            raise ConfigurationError(f"budget: warn_at={self.warn_at} is no share between 0 and 1")
        if self.unknown_price is not None and not isinstance(self.unknown_price, Decimal):
            msgspec.structs.force_setattr(self, "unknown_price", Decimal(str(self.unknown_price)))
