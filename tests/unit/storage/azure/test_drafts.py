"""What a change becomes: the fence as text, the entities, the hints."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.storage.azure.drafts import Fence, drafted
from AgentOperatingSystem.storage.records import Row, Status
from tests.contract.samples import change, parked, row

ETAG = "W/\"datetime'2026-11-21T03%3A00%3A00.1234567Z'\""
etags = st.sampled_from([ETAG, "W/\"datetime''\"", '"0x8D"', "*"]) | st.text(min_size=1, max_size=30)


@given(etags, st.frozensets(st.sampled_from(["parked", "in_doubt", "running"])))
def test_a_fence_comes_back_from_its_text(etag: str, listed: frozenset[str]) -> None:
    assert Fence.read(Fence(etag, listed).text(), "agent") == Fence(etag, listed)


def test_the_usual_fence_fits_an_http_header() -> None:
    text = Fence(ETAG, frozenset({"parked", "quarantined"})).text()
    assert text == "2026-11-21T03%3A00%3A00.1234567Z~parked+quarantined"


@pytest.mark.parametrize("text", ["0", "~", "~parked", "1 "])
def test_what_is_no_fence_of_ours_is_a_conflict(text: str) -> None:
    with pytest.raises(Conflict, match="agent: the ETag"):
        Fence.read(text, "agent")


def rows_of(**fields: Any) -> list[tuple[str, str]]:
    draft = drafted(change(**fields), Fence(ETAG), "c", 0.0)
    return [(each.verb, each.entity["RowKey"].split("|")[0]) for each in draft.operations]


def test_the_head_comes_first_and_carries_the_fence() -> None:
    draft = drafted(change(inserts=(row("1"),)), Fence(ETAG), "commit-id", 0.0)
    head = draft.operations[0]
    assert (head.verb, head.etag, head.entity["RowKey"], head.entity["commit"]) == ("replace", ETAG, "h", "commit-id")
    assert drafted(change(), Fence(""), "c", 0.0).operations[0].verb == "create"


def test_what_is_parked_is_hinted_by_its_order_too() -> None:
    assert rows_of(inserts=(row("1"), row("2"))) == [
        ("replace", "h"),
        ("create", "e"),
        ("create", "e"),
        ("create", "v"),
    ]
    assert rows_of(updates=(parked("1", 1),)) == [("replace", "h"), ("replace", "e"), ("create", "v"), ("create", "o")]
    assert rows_of(deletes=(row("1").key,)) == [("replace", "h"), ("delete", "e")]


def test_of_two_values_for_one_small_row_the_last_counts() -> None:
    """A service refuses a transaction that names an entity twice."""
    assert rows_of(rows=(Row("memory", "n", b"1"), Row("memory", "n", None))) == [("replace", "h"), ("delete", "r")]


def test_open_statuses_are_noted_in_the_head_once() -> None:
    both = (row("1", status=Status.QUARANTINED), parked("2", 1))
    draft = drafted(change(inserts=both), Fence(ETAG, frozenset({"parked"})), "c", 0.0)
    assert draft.opened == {"quarantined"}
    assert draft.operations[0].entity["listed"] == "parked+quarantined"
