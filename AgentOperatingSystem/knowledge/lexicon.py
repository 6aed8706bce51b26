"""Which words mean nearly the same: the groups of `lexicon.txt`, by stem. Loaded at first use.

`local` gives each group a dimension of its own, so that passages and questions meet without sharing a word.
"""

from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import NamedTuple

from AgentOperatingSystem.knowledge.stems import stem

GROUPS_MAX = 1088


class Lexicon(NamedTuple):
    """Stems, and pairs of stems joined by a space, with the numbers of their groups."""

    groups: dict[str, tuple[int, ...]]
    digest: str
    """Changes with every word: vectors of different lexicons are not compared."""


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon that is shipped."""
    content = files("AgentOperatingSystem.knowledge").joinpath("lexicon.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in content.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= GROUPS_MAX, f"{len(lines)} groups"
    groups: dict[str, list[int]] = {}
    for number, words in enumerate(lines):
        for word in dict.fromkeys(" ".join(stem(part) for part in word.split("-")) for word in words):
            groups.setdefault(word, []).append(number)
    digest = blake2b("\n".join(" ".join(words) for words in lines).encode(), digest_size=4).hexdigest()
    return Lexicon({word: tuple(numbers) for word, numbers in groups.items()}, digest)
