"""Words and their stems: `checks`, `checking` and `checked` are one word here.

`lexicon` and `local` (the embedder) compare words by these stems; the search by word has SQLite's own Porter stemmer.
The rules are few and blunt: a stem need not be a word, it only has to be the same for the forms of one.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STEM_MIN = 3
SEARCH_WORDS_MAX = 32
_VOWEL = re.compile("[aeiouy]")
# Longest first within a step; each step runs once.
_PLURALS: Final = (
    ("sses", "ss"), ("ies", "y"), ("ied", "y"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("ss", "ss"),
    ("us", "us"),
)  # fmt: skip
_ENDINGS = ("ingly", "edly", "ing", "ed", "ly")
_SUFFIXES: Final = (
    ("ization", "ize"), ("isation", "ize"), ("ational", "ate"), ("fulness", "ful"), ("iveness", "ive"),
    ("ication", "icate"), ("ability", "able"), ("ibility", "ible"), ("ation", "ate"), ("ition", "ite"),
    ("ment", ""), ("ness", ""), ("ance", ""), ("ence", ""), ("ator", "ate"), ("tion", "t"), ("sion", "s"),
    ("able", ""), ("ible", ""), ("ical", "ic"), ("ally", "al"), ("ise", "ize"), ("yse", "yze"), ("ful", ""),
    ("our", "or"), ("ity", ""), ("al", ""), ("er", ""), ("or", ""), ("ant", ""), ("ent", ""),
)  # fmt: skip
_IRREGULAR: Final = {
    "lost": "lose", "kept": "keep", "sent": "send", "held": "hold", "told": "tell", "said": "say", "gave": "give",
    "given": "give", "ran": "run", "wrote": "write", "written": "write", "made": "make", "done": "do", "did": "do",
    "does": "do", "went": "go", "gone": "go", "found": "find", "took": "take", "taken": "take", "broke": "break",
    "broken": "break", "chose": "choose", "chosen": "choose", "began": "begin", "begun": "begin", "knew": "know",
    "known": "know", "saw": "see", "seen": "see", "thought": "think", "bought": "buy", "brought": "bring",
    "caught": "catch", "taught": "teach", "paid": "pay", "built": "build", "died": "die", "dying": "die",
    "dies": "die", "lying": "lie", "woken": "wake", "woke": "wake", "slept": "sleep", "spent": "spend",
    "left": "leave", "met": "meet", "grew": "grow", "grown": "grow", "threw": "throw", "thrown": "throw",
    "hidden": "hide", "hid": "hide", "stolen": "steal", "stole": "steal", "forgot": "forget", "forgotten": "forget",
    "understood": "understand", "meant": "mean", "fell": "fall", "fallen": "fall", "stuck": "stick", "came": "come",
    "became": "become", "got": "get", "gotten": "get", "children": "child", "people": "person", "men": "man",
    "indices": "index", "queries": "query", "used": "use", "using": "use", "uses": "use",
}  # fmt: skip
# Words of grammar and of asking: in nearly every text, and never what it is about.
_STOP_TEXT = """
    a about above after again against all also am an and any are aren as at be because been before being below between
    both but by can cannot could couldn did didn do does doesn doing don down during each either else ever every few for
    from further get gets getting give go goes going got had hadn happen happens has hasn have haven having he her here
    hers him his how however i if in into is isn it its itself just know let like ll lot make many may me might mine
    more most much must my need no nor not now of off on once one only onto or other others our ours out over own per
    please put rather re really s same say see shall she should shouldn show since so some something such t take tell
    than that the their theirs them themselves then there these they thing things this those though through thus to
    too under until up upon us use used uses using ve very want wants was wasn way we well were weren what whatever
    when whenever where wherever whether which while who whoever whole whom whose why will with within without won
    would wouldn yes yet you your yours yourself
"""
STOP: Final = frozenset(_STOP_TEXT.split())


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without accents; `turnTimeout` and `turn_timeout` are two words each."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return _WORD.findall(_HUMP.sub(" ", plain).lower())


def content_words(text: str) -> list[str]:
    """The words that a text is about: without those of grammar and of asking, and without single letters."""
    return [word for word in words_of(text) if word not in STOP and len(word) > 1]


def search_words(question: str) -> list[str]:
    """The words to look for in an index that splits no words: `turnTimeout` is looked for as itself and in its parts.

    Each once, at most `SEARCH_WORDS_MAX`; a question of words of grammar alone is looked for as it is.
    """
    whole = [word for word in _WORD.findall(question.lower()) if word not in STOP]
    found = [*whole, *content_words(question)] or words_of(question)
    return list(dict.fromkeys(found))[:SEARCH_WORDS_MAX]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a word in lower case; words of other scripts, and numbers, are their own."""
    if word in _IRREGULAR:
        return stem(_IRREGULAR[word])
    if len(word) <= _STEM_MIN or not word.isascii() or not word.isalpha():
        return word
    return _final(_suffix(_ending(_plural(word))))


def _plural(word: str) -> str:
    for ending, instead in _PLURALS:
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    return word[:-1] if word.endswith("s") else word


def _ending(word: str) -> str:
    for ending in _ENDINGS:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _STEM_MIN and _VOWEL.search(rest):
            return _undoubled(rest)
    return word


def _suffix(word: str) -> str:
    for ending, instead in _SUFFIXES:
        rest = word[: -len(ending)] + instead
        if word.endswith(ending) and len(rest) >= _STEM_MIN + 1 and _VOWEL.search(rest):
            return _undoubled(rest)
    return word


def _undoubled(word: str) -> str:
    """`stopp` (of stopped) as `stop`; `pass` and `fall` stay."""
    doubled = len(word) > _STEM_MIN and word[-1] == word[-2] and word[-1] not in "aeiousl"
    return word[:-1] if doubled else word


def _final(word: str) -> str:
    """`e` and a long word's `at` go, `y` becomes `i`: `configuration` meets `configure`, `storing` `store`."""
    if word.endswith("e") and len(word) > _STEM_MIN:
        word = word[:-1]
    if word.endswith("at") and len(word) > 2 * _STEM_MIN:
        word = word[:-2]
    return word[:-1] + "i" if word.endswith("y") and len(word) > _STEM_MIN else word
