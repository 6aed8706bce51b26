"""The text of an SQL condition or action, cut into tokens."""

import re
from dataclasses import dataclass

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest

_PATTERN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")+" | \[(?:[^\]]|\]\])+\])
    | (?P<parameter>@[A-Za-z_][A-Za-z0-9_]*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><>|!=|>=|<=|[=<>+\-*/%(),.;])
    """,
    re.VERBOSE,
)
_WORDS = frozenset(
    ("AND", "OR", "NOT", "IS", "NULL", "LIKE", "ESCAPE", "IN", "EXISTS", "TRUE", "FALSE", "SET", "REMOVE")
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: number, text, quoted, parameter, name, word or sign. A word is in capitals."""

    kind: str
    text: str


def tokens(source: str) -> list[Token]:
    """Raises `InvalidRequest` at the first character that belongs to nothing."""
    found, place = [], 0
    while place < len(source):
        match = _PATTERN.match(source, place)
        if match is None:
            raise InvalidRequest(f"{source!r}: nothing in SQL begins with {source[place]!r} (character {place + 1})")
        if match.lastgroup != "space":
            found.append(_token(str(match.lastgroup), match[0]))
        place = match.end()
    return found


def _token(kind: str, text: str) -> Token:
    if kind == "name" and text.upper() in _WORDS:
        return Token("word", text.upper())
    if kind == "text":
        return Token(kind, text[1:-1].replace("''", "'"))
    if kind == "quoted":
        closing = text[-1]
        return Token(kind, text[1:-1].replace(closing * 2, closing))
    return Token(kind, text)
