"""The embedder without a model: stems, related words, pieces of words; the same numbers everywhere."""

import hashlib
from importlib.resources import files

import pytest

from AgentOperatingSystem.knowledge import vectors
from AgentOperatingSystem.knowledge.lexicon import GROUPS_MAX, lexicon
from AgentOperatingSystem.knowledge.local import DIMENSIONS, LocalEmbedder, vector_of
from AgentOperatingSystem.knowledge.stems import SEARCH_WORDS_MAX, content_words, search_words, stem, words_of

FORMS = [
    ("check", "checks checked checking"),
    ("stop", "stops stopped stopping"),
    ("store", "stores stored storing"),
    ("try", "tries tried trying"),
    ("configure", "configures configured configuring configuration configurations"),
    ("delete", "deleted deletes deleting"),
    ("lose", "lost loses losing"),
    ("query", "queries querying"),
]


@pytest.mark.parametrize(("word", "forms"), FORMS, ids=[word for word, _ in FORMS])
def test_the_forms_of_a_word_have_one_stem(word: str, forms: str) -> None:
    assert {stem(form) for form in forms.split()} == {stem(word)}


@pytest.mark.parametrize(("one", "other"), [("fail", "fall"), ("state", "start"), ("host", "hot"), ("pass", "past")])
def test_other_words_have_other_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_words_are_split_at_humps_and_accents_are_dropped() -> None:
    assert words_of("turnTimeout HTTPServer snake_case Café") == [
        "turn", "timeout", "http", "server", "snake", "case", "cafe",
    ]  # fmt: skip
    assert content_words("What is the state of it?") == ["state"]


def test_words_to_search_for_are_whole_and_in_parts_and_bounded() -> None:
    assert search_words("What does turnTimeout do?") == ["turntimeout", "turn", "timeout"]
    assert search_words("what is it") == ["what", "is", "it"]
    assert len(search_words(" ".join(f"word{number}" for number in range(100)))) == SEARCH_WORDS_MAX


def test_the_lexicon_is_within_its_room_and_has_no_line_twice() -> None:
    content = files("AgentOperatingSystem.knowledge").joinpath("lexicon.txt").read_text(encoding="utf-8")
    lines = [line for line in content.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= GROUPS_MAX
    assert len({frozenset(line.split()) for line in lines}) == len(lines)
    assert all(len(line.split()) >= 2 for line in lines)
    assert len(lexicon().groups) > 2000


def likeness(passage: str, question: str) -> float:
    snapshot = vectors.snapshot(1, 1, [(1, vectors.packed(vector_of(passage)))], DIMENSIONS)
    ((_, cosine),) = vectors.nearest(snapshot, vector_of(question), 1, None, True)
    return cosine


@pytest.mark.parametrize(
    ("passage", "question"),
    [
        ("Invoices are paid within ten days.", "When do we settle bills?"),
        ("Who is ill tells the team leader.", "I am sick, what now?"),
        ("Deleted files cannot be restored.", "How do I recover what I erased?"),
    ],
)
def test_related_words_are_alike_and_unrelated_ones_are_not(passage: str, question: str) -> None:
    assert not set(content_words(passage)) & set(content_words(question))
    assert likeness(passage, question) > LocalEmbedder.floor
    assert likeness(passage, "Which mushrooms are edible?") < LocalEmbedder.floor


def test_a_misspelt_unknown_word_still_meets_its_like() -> None:
    assert likeness("The Zanzibaro protocol.", "zanzibarro") > LocalEmbedder.floor


def test_a_text_without_words_has_no_direction() -> None:
    assert set(vector_of("... of the")) == {0.0}


async def test_vectors_are_the_same_on_every_platform() -> None:
    text = "An agent that lives for years is woken by events that come twice. " * 3
    packed = vectors.packed((await LocalEmbedder().passages([text]))[0])
    assert len(packed) == DIMENSIONS
    assert hashlib.sha256(packed).hexdigest()[:16] == "383d1d3f76f5409f"


def test_the_name_changes_with_the_lexicon() -> None:
    assert LocalEmbedder().name.endswith(lexicon().digest)
