"""Which limits apply: those of the class, the file's for an address, a type and a tenant; and files that are wrong."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.rules import Budgets, day_of, next_day

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def written(folder: Path, text: str) -> Path:
    path = folder / "budgets.json"
    path.write_text(text)
    return path


def test_all_limits_apply_at_once_and_the_narrowest_comes_first(tmp_path: Path) -> None:
    text = """{"types": {"clerk": {"day": {"money": "5.00"}, "event": {"tokens": 9}}},
               "agents": {"clerk/a": {"total": {"model_calls": 3}}},
               "tenants": {"default": {"day": {"tokens": 100}}}}"""
    budgets = Budgets.of(written(tmp_path, text), None)
    declared = Budget(event=Limits(seconds=60))
    found = budgets.bounds(AgentId("clerk", "a"), declared, "key", NOON)
    assert [(bound.account, bound.shared) for bound in found] == [
        ("event/key/agent", False),
        ("event/key/type", False),
        ("address/total", False),
        ("type/2026-01-31", True),
        ("tenant/2026-01-31", True),
    ]
    assert found[3].limits.money == Decimal("5.00")
    assert [bound.account for bound in budgets.bounds(AgentId("other"), None, "key", NOON)] == ["tenant/2026-01-31"]


def test_days_are_those_of_utc() -> None:
    assert (day_of(NOON), day_of(next_day(NOON)), day_of(next_day(NOON) - 1)) == (
        "2026-01-31",
        "2026-02-01",
        "2026-01-31",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "budgets_file"),
        ('{"types": {"clerk": {"week": {}}}}', "week"),
        ('{"types": {"clerk": {"day": {"tokens": -1}}}}', "less than nothing"),
        ('{"types": {"clerk": {"at_limit": "fallback"}}}', "fallback_model"),
        ('{"types": {"clerk": {"at_limit": "explode"}}}', "explode"),
        ('{"types": {"clerk": {"warn_at": 2}}}', "warn_at"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=why) as refused:
        Budgets.of(path, None)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_prices_in_another_currency_are_not_known(tmp_path: Path) -> None:
    budgets = Budgets.of(written(tmp_path, '{"currency": "EUR"}'), None)
    said = budgets.price("openai/gpt-5.4", 1000, 1000)
    assert said == "openai/gpt-5.4 is priced in USD, budgets are in EUR"
    assert budgets.price("offline", 1000, 1000) == 0
    assert "no price is known" in str(budgets.price("openai/nobody", 1, 1))


def test_amounts_add_up_and_limits_take_numbers_for_money() -> None:
    assert Amounts(tokens=1, seconds=0.1) + Amounts(tokens=2, seconds=0.2) == Amounts(tokens=3, seconds=0.3)
    assert Limits(money=Decimal(2)).raised(Amounts(money=Decimal("0.5"), tokens=7)) == Limits(money=Decimal("2.5"))
