"""The questions over this project's own pages: both searches together find more than word search alone."""

from pathlib import Path

import pytest

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.bench.retrieval import OTHER_WORDS, PLAIN, measure, questions


def test_there_are_enough_questions() -> None:
    asked = questions()
    assert len(asked) == len({each.ask for each in asked})
    assert len(asked) >= 60


async def test_both_searches_find_at_least_what_word_search_finds_and_more_where_no_word_is_shared() -> None:
    kinds = (await measure())["kinds"]
    plain, other = kinds[PLAIN], kinds[OTHER_WORDS]
    assert other["questions"] >= 20
    assert other["words"] == 0, "that is what the part is: no word in common"
    assert other["hybrid"] > 0.1
    assert other["meaning"] > 0.1
    for way in ("hybrid", "meaning"):
        assert plain[way] > 0.7
    assert found(kinds, "hybrid") > found(kinds, "words")


def found(kinds: dict[str, dict[str, float]], way: str) -> float:
    """Over all questions."""
    return sum(figures["questions"] * figures[way] for figures in kinds.values())


async def test_outside_of_a_checkout_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="run it in a checkout"):
        await measure(tmp_path)


async def test_a_heading_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "benchmarks" / "retrieval").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\n## B\n\nText.")
    (tmp_path / "benchmarks" / "retrieval" / "questions.json").write_text(
        '[{"ask": "What?", "page": "a.md", "headings": ["C"]}]'
    )
    with pytest.raises(InvalidInput, match=r"a\.md has no section 'C'"):
        await measure(tmp_path)
