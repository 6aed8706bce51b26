"""What a call costs, from a dated table: `prices.json`, and the user's own file over it. A price is never guessed.

`wrappers.metered` asks for each answer. Where the table has no price, or the provider did not say how many tokens it
counted, the answer says so instead of naming a cost.
"""

from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from AgentOperatingSystem.ml.catalogue import EVERY, load_table, undated
from AgentOperatingSystem.ml.records import Cost, Usage

_MILLION = Decimal(1_000_000)


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price of a million tokens of each kind; None where it was not published."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    input_tokens_max: int | None = None
    """The longest request that this price is for."""
    beyond: "Price | None" = None
    """The price of longer ones."""


class _Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    per_million_tokens: dict[str, Price]
    read_on: str
    """The day on which somebody read them from `page`."""
    page: str = ""
    currency: str = "USD"


class PriceList:
    """The shipped prices, with those of the user's file in their place.

    Raises `ConfigurationError` where the file is wrong.
    """

    def __init__(self, override: Path | None = None) -> None:
        self._tables = ([load_table(override, dict[str, _Provider])] if override else []) + [_shipped()]

    def cost(self, provider: str, models: tuple[str, ...], usage: Usage) -> tuple[Cost | None, str]:
        """What the usage costs, or None and why it is unknown. `models` are names of the same model, the first of which
        that has a price counts; a provider's `*` is for all of its models.
        """
        found = self._find(provider, models)
        if found is None:
            return None, f"no price is known for {provider}/{models[0]}"
        table, price = found
        amount = _amount(price, usage)
        if isinstance(amount, str):
            return None, f"{provider}/{models[0]}: {amount}"
        return Cost(amount, table.currency, table.read_on), ""

    def _find(self, provider: str, models: tuple[str, ...]) -> tuple[_Provider, Price] | None:
        names = [name for model in models for name in (model, undated(model))]
        for table in (table[provider] for table in self._tables if provider in table):
            for name in (*names, EVERY):
                if name in table.per_million_tokens:
                    return table, table.per_million_tokens[name]
        return None


def _amount(price: Price, usage: Usage) -> Decimal | str:
    """The price of the usage, or why there is none."""
    if not (price.input or price.output or price.cached_input or price.cache_write or price.beyond):
        return Decimal(0)
    if usage.input_tokens is None or usage.output_tokens is None:
        return "the provider did not say how many tokens it counted"
    if price.input_tokens_max is not None and usage.input_tokens > price.input_tokens_max:
        longer = f"no price is known for requests above {price.input_tokens_max} tokens"
        return _amount(price.beyond, usage) if price.beyond else longer
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    if (read and price.cached_input is None) or (written and price.cache_write is None):
        return "no price is known for tokens of the provider's cache"
    fresh = usage.input_tokens - read - written
    total = fresh * price.input + usage.output_tokens * price.output
    total += read * (price.cached_input or 0) + written * (price.cache_write or 0)
    return total / _MILLION


@lru_cache(maxsize=1)
def _shipped() -> dict[str, _Provider]:
    content = files("AgentOperatingSystem.ml").joinpath("prices.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, _Provider])
