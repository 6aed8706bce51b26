"""The price of a call: exact where it is known, and otherwise a word on why it is not."""

from decimal import Decimal
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml import prices
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import Usage

SHIPPED = PriceList()


def usage(input_tokens: int, output_tokens: int, cached: int | None = None, written: int | None = None) -> Usage:
    return Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached, cache_write_tokens=written
    )


@pytest.mark.parametrize(
    ("provider", "model", "used", "amount"),
    [
        ("openai", "gpt-4o-mini", usage(1_000_000, 1_000_000), "0.75"),
        ("openai", "gpt-4o-mini", usage(1000, 10), "0.000156"),
        ("openai", "gpt-4o-mini", usage(1000, 0, cached=400), "0.00012"),
        ("openai", "gpt-4o-mini-2024-07-18", usage(1000, 10), "0.000156"),
        ("anthropic", "claude-haiku-4-5-20251001", usage(3000, 100, cached=1000, written=1000), "0.00285"),
        ("gemini", "gemini-2.5-pro", usage(200_000, 0), "0.25"),
        ("gemini", "gemini-2.5-pro", usage(200_001, 0), "0.5000025"),
    ],
)
def test_cost(provider: str, model: str, used: Usage, amount: str) -> None:
    cost, note = SHIPPED.cost(provider, (model,), used)
    assert cost is not None
    assert (cost.amount, cost.currency, note) == (Decimal(amount), "USD", "")
    assert cost.priced_on == "2026-08-05"


@pytest.mark.parametrize(
    ("provider", "model", "used", "why"),
    [
        (
            "openai",
            "gpt-4o-mini-search-preview",
            usage(1, 1),
            "no price is known for openai/gpt-4o-mini-search-preview",
        ),
        ("vllm", "anything", usage(1, 1), "no price is known for vllm/anything"),
        ("openai", "gpt-4o-mini", Usage(input_tokens=5), "did not say how many tokens"),
        ("openai", "gpt-5.4", usage(270_001, 1), "no price is known for requests above 270000 tokens"),
        ("gemini", "gemini-2.5-flash", usage(10, 1, cached=5), "no price is known for tokens of the provider's cache"),
        ("openai", "gpt-4o-mini", usage(10, 1, written=5), "no price is known for tokens of the provider's cache"),
    ],
)
def test_an_unknown_price_is_said_and_not_guessed(provider: str, model: str, used: Usage, why: str) -> None:
    cost, note = SHIPPED.cost(provider, (model,), used)
    assert cost is None
    assert why in note


def test_the_name_that_the_provider_answers_with_counts_too() -> None:
    """An Azure deployment may be called anything."""
    table = PriceList()
    assert table.cost("openai", ("my-alias", "gpt-4o-mini-2024-07-18"), usage(1000, 10))[0] is not None


def priced(folder: Path, text: str) -> PriceList:
    (folder / "prices.json").write_text(text)
    return PriceList(folder / "prices.json")


def test_the_users_prices_come_first(tmp_path: Path) -> None:
    table = priced(
        tmp_path,
        '{"openai": {"read_on": "2027-01-01", "currency": "EUR", "per_million_tokens":'
        ' {"gpt-4o-mini": {"input": "1", "output": "2"}}},'
        ' "ollama": {"read_on": "2027-01-01", "per_million_tokens": {"*": {"input": "0", "output": "0"}}}}',
    )
    cost, _ = table.cost("openai", ("gpt-4o-mini",), usage(1_000_000, 1_000_000))
    assert cost is not None
    assert (cost.amount, cost.currency, cost.priced_on) == (Decimal(3), "EUR", "2027-01-01")
    assert table.cost("openai", ("gpt-4o",), usage(1, 1))[0] is not None, "the shipped ones are behind it"
    free, _ = table.cost("ollama", ("llama3.2:1b",), Usage())
    assert free is not None
    assert free.amount == 0, "nothing costs nothing, however much it was"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "prices.json"),
        ('{"openai": {"read_on": "x", "per_million_tokens": {"m": {"input": "cheap", "output": "1"}}}}', "input"),
        ('{"openai": {"read_on": "x", "per_million_tokens": {"m": {"input": "1"}}}}', "output"),
        ('{"openai": {"read_on": "x", "per_million_tokens": {"m": {"inptu": "1", "output": "1"}}}}', "inptu"),
    ],
)
def test_a_wrong_price_file_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        priced(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_price_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PriceList(tmp_path / "none.json")


def test_every_shipped_price_says_where_it_is_from() -> None:
    for name, table in prices._shipped().items():
        assert table.page.startswith("https://"), name
        assert len(table.read_on) == 10, name
