"""Keys are injective, fit the service's alphabet and lengths, and sort as what they stand for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.azure import keys
from tests.contract.samples import ODD_TEXTS

KEY_LENGTH_MAX = 512  # 1 KiB of UTF-16
SAFE = re.compile(r"[A-Za-z0-9_.|=~!-]*")
texts = st.sampled_from(ODD_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=600)
printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=512) | st.sampled_from(
    ["", "=2F", "/", "|", "=sha256=", "x" * 512, "x" * 511 + "y", "/" * 512, "🙂" * 512]
)
agents = st.builds(AgentId, st.sampled_from(["a", "A", "a.b", "a-b"]), printable, st.sampled_from(["t", "t2", "T"]))


@given(agents, agents)
def test_partitions_are_apart_and_fit(one: AgentId, other: AgentId) -> None:
    assert (keys.partition_of(one) == keys.partition_of(other)) == (one == other)
    for key in (keys.partition_of(one), keys.ordered(keys.address_of(one))):
        assert SAFE.fullmatch(key)
        assert len(key) <= KEY_LENGTH_MAX
        assert not key.startswith("=")


@given(texts, texts, st.sampled_from(["memory", "timer", "step", "x|y", "x" * 200]))
def test_small_rows_are_apart_and_fit(one: str, other: str, kind: str) -> None:
    assert (keys.small_row(kind, one) == keys.small_row(kind, other)) == (one == other)
    assert keys.small_row(kind, one) != keys.small_row(kind + "2", one)
    assert SAFE.fullmatch(keys.small_row(kind, one))
    assert len(keys.small_row(kind, one)) <= KEY_LENGTH_MAX


def test_kinds_and_names_do_not_run_together() -> None:
    assert keys.small_row("a", "b") != keys.small_row("a|62", "")
    assert keys.kind_prefix("a|") != keys.kind_prefix("a") + "|"
    assert len({keys.kind_prefix("x" * length) for length in range(60, 120)}) == 60


@given(texts, texts)
def test_names_sort_as_their_keys_do_as_far_as_keys_say(one: str, other: str) -> None:
    if keys.coarse(one) < keys.coarse(other):
        assert one < other
    if one < other:
        assert keys.coarse(one) <= keys.coarse(other)
    if other.startswith(one):
        assert keys.coarse(one) <= keys.ordered(other) < keys.coarse(one) + keys.BEYOND


@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_numbers_sort_as_they_count(one: int, other: int) -> None:
    assert (keys.number(one) < keys.number(other)) == (one < other)
    assert keys.number_of(keys.number(one)) == one
    assert keys.number(one) < keys.BEYOND


def test_what_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"at most 10\^18"):
        keys.number(10**18 + 1)
    with pytest.raises(InvalidInput, match="half of a surrogate pair"):
        keys.small_row("memory", "\ud800")


def test_nothing_else_lies_where_an_index_does() -> None:
    assert keys.agents_partition("t") != keys.open_partition("t", "parked")
    assert keys.agents_partition("t").startswith("=")
    assert keys.open_partition("t", "parked") < keys.open_partition("t", "quarantined")
