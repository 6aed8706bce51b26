"""Two rankings become one: reciprocal rank fusion, where a match by word counts as far as it covers the question. Pure.

`base.KnowledgeBase.search` calls it. Source of the method: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009). Ranks alone are used, so the two searches'
scores need not be comparable; the cover is our addition, because a question of five words whose passage shares one
with it has hardly been found by word.
"""

from collections.abc import Mapping, Sequence

from AgentOperatingSystem.knowledge.stems import content_words, stem

_RANK_OFFSET = 10


def fused(meaning: Sequence[str], words: Sequence[str], cover: Mapping[str, float]) -> list[tuple[str, float]]:
    """Ids with their scores, the best first. `cover` is the share of the question's words that a passage has."""
    scores: dict[str, float] = {}
    for rank, each in enumerate(words, 1):
        scores[each] = cover[each] / (_RANK_OFFSET + rank)
    for rank, each in enumerate(meaning, 1):
        scores[each] = scores.get(each, 0.0) + 1 / (_RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


def cover_of(question: str, text: str) -> float:
    """The share of the question's content words that the text has, in any form: from 0 to 1."""
    asked = {stem(word) for word in content_words(question)}
    return len(asked & {stem(word) for word in content_words(text)}) / len(asked) if asked else 0.0
