"""Cutting: nothing is lost, nothing is too long, each piece says where it stands."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.knowledge.passages import OVERLAP_LENGTH_MAX, PASSAGE_LENGTH_MAX, passages_of, spans
from AgentOperatingSystem.knowledge.records import Part, Readable

TEXT = st.text(alphabet=st.sampled_from("ab .,;\n"), max_size=400)
PARTS = st.lists(
    st.builds(Part, text=TEXT, heading=st.sampled_from(["", "H", "I"]), level=st.integers(0, 2)), max_size=4
)


@given(TEXT, st.integers(10, 60), st.integers(0, 9))
def test_spans_cover_everything_but_white_space(text: str, length: int, overlap: int) -> None:
    cut = list(spans(text, length, overlap))
    covered = {place for start, stop in cut for place in range(start, stop)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
    assert all(0 < stop - start <= length for start, stop in cut)
    assert all(after[0] >= before[1] - overlap for before, after in itertools.pairwise(cut))
    assert all(after[0] > before[0] for before, after in itertools.pairwise(cut))


@given(PARTS)
def test_a_span_is_that_of_the_passage_in_the_document(parts: list[Part]) -> None:
    document = Readable(parts=tuple(parts))
    for passage in passages_of("s", document):
        assert document.text[passage.start : passage.stop] == passage.text
        assert passage.text == passage.text.strip()


def test_headings_are_a_trail_and_pages_are_kept() -> None:
    document = Readable(
        title="T",
        parts=(
            Part(text="one", heading="Top", level=1),
            Part(text="two", heading="Below", level=2),
            Part(text="three", heading="Beside", level=2),
            Part(text="four", heading="On a page", page=4),
        ),
    )
    made = passages_of("s", document)
    assert [each.heading for each in made] == ["Top", "Top > Below", "Top > Beside", "On a page"]
    assert (made[3].page, made[3].title) == (4, "T")


def test_it_cuts_where_the_text_pauses_and_goes_on_with_the_last_sentence() -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "
    made = passages_of("s", Readable(parts=(Part(text=sentence * 60),)))
    assert len(made) > 2
    assert all(each.text.startswith("The quick") and each.text.endswith("dog.") for each in made)
    assert all(len(each.text) <= PASSAGE_LENGTH_MAX for each in made)
    overlaps = [before.stop - after.start for before, after in itertools.pairwise(made)]
    assert all(0 < overlap <= OVERLAP_LENGTH_MAX for overlap in overlaps)


def test_the_same_text_at_the_same_place_has_the_same_id() -> None:
    (one,), (same,) = (passages_of("s", Readable(parts=(Part(text="x"),))) for _ in range(2))
    (elsewhere,) = passages_of("t", Readable(parts=(Part(text="x"),)))
    assert one.id == same.id != elsewhere.id
