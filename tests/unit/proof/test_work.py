"""The canonical work, and the judge who finds what was lost or done twice."""

import json
from itertools import islice

import pytest

from AgentOperatingSystem.proof.bench.work import ContestantFailed, Ledger, events, handle, new_state


def ledger(*counts: int) -> Ledger:
    made = Ledger()
    for count in counts:
        made.note(7, {"count": count})
    return made


def test_the_state_is_about_one_kibibyte_before_and_after() -> None:
    state = new_state()
    before = len(json.dumps(state))
    for sent in islice(events(1, 1), 20):
        handle(state, sent.text)
    assert 900 <= before <= len(json.dumps(state)) <= 1_100


def test_the_handler_keeps_the_last_nine_texts_and_counts() -> None:
    state = new_state()
    results = [handle(state, str(number)) for number in range(12)]
    assert results[-1] == {"count": 12}
    assert state == {"count": 12, "texts": [str(number) for number in range(3, 12)]}


def test_events_have_ids_and_texts_of_their_own_and_go_round_the_agents() -> None:
    sent = list(islice(events(4, 1), 100))
    assert len({each.event_id for each in sent}) == len({each.text for each in sent}) == 100
    assert {len(each.text) for each in sent} == {100}
    assert [each.agent_number for each in sent[:6]] == [0, 1, 2, 3, 0, 1]


def test_the_same_seed_sends_the_same_events() -> None:
    assert list(islice(events(3, 1, seed=5), 9)) == list(islice(events(3, 1, seed=5), 9))


def test_each_event_applied_once_is_accepted_in_any_order() -> None:
    ledger(2, 1, 3).judge(7, {"count": 3, "texts": [""] * 9})


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        pytest.param((1, 2, 3), 2, id="a count that was not kept"),
        pytest.param((1, 2, 2), 2, id="an event that was answered without being applied"),
        pytest.param((1, 3), 3, id="an event that was applied twice"),
    ],
)
def test_lost_and_repeated_events_are_found(counts: tuple[int, ...], kept: int) -> None:
    with pytest.raises(ContestantFailed, match=f"agent 7 answered {len(counts)} events"):
        ledger(*counts).judge(7, {"count": kept, "texts": [""] * 9})


def test_a_state_that_lost_its_texts_is_found() -> None:
    with pytest.raises(ContestantFailed, match="1 texts"):
        ledger(1).judge(7, {"count": 1, "texts": ["a"]})


def test_a_long_list_of_counts_is_shortened() -> None:
    with pytest.raises(ContestantFailed, match=r"9, 10, … 30\]$"):
        ledger(*range(1, 21), 30).judge(7, {"count": 21, "texts": [""] * 9})


def test_an_answer_without_a_count_is_refused() -> None:
    with pytest.raises(ContestantFailed, match="no count"):
        Ledger().note(1, {"total": 1})
