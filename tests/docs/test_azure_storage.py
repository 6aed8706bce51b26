"""The limits and the tests that docs/azure-storage.md names are those of the code."""

import re
from pathlib import Path

import pytest

from AgentOperatingSystem.storage.azure import packing
from AgentOperatingSystem.storage.azure.account import TABLE
from AgentOperatingSystem.storage.azure.calls import Calls

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "azure-storage.md").read_text()


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("entities that one commit changes", f"{packing.OPERATIONS_MAX}"),
        ("one commit's transaction", f"{packing.TRANSACTION_BYTES_MAX // packing.MIB} MiB"),
        ("one entity", f"{packing.ENTITY_BYTES_MAX // packing.MIB} MiB"),
        ("one property", f"{packing.PROPERTY_BYTES_MAX // packing.KIB} KiB"),
        ("one value in the table; a larger one goes to a blob first", f"{packing.INLINE_BYTES_MAX // packing.KIB} KiB"),
        ("one value", f"{packing.OVERFLOW_BYTES_MAX // packing.MIB} MiB"),
        ("all values of one commit", f"{packing.COMMIT_BYTES_MAX // packing.MIB} MiB"),
    ],
)
def test_limits_are_as_the_page_says(what: str, limit: str) -> None:
    assert f"| {what} | {limit} |" in PAGE


def test_names_and_attempts_are_as_the_page_says() -> None:
    assert f"The table `{TABLE}` and\nthe containers `{TABLE}-blobs` and `{TABLE}-overflow`" in PAGE
    assert Calls.__dataclass_fields__["attempts_max"].default == 6
    assert "six attempts" in PAGE


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`((?:tests|scripts)/[a-z_/.-]+)`", PAGE)
    assert len(named) >= 4
    assert [name for name in named if not (ROOT / name).exists()] == []
