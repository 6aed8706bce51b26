"""What a command shows: one JSON document for programs, or tables and lines for people.

Everything else (notes, warnings, errors) goes to standard error, so that standard output can be piped. What comes
from agents is shown with its control characters spelled out: an event cannot take over a terminal.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
BRIEF_LENGTH_MAX = 60


class Table(NamedTuple):
    """Rows under headings; `empty` is said where there are none."""

    headings: Sequence[str]
    rows: Iterable[Sequence[object]]
    empty: str = ""


class Output:
    """Where a command puts its result."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, document: Any, *human: "str | Table") -> None:
        """The result: `document` where JSON was asked for, else `human`, line by line."""
        if self.as_json:
            sys.stdout.write(as_json(document, indent=2) + "\n")
            return
        for part in human:
            if isinstance(part, str):
                sys.stdout.write(part + "\n")
            else:
                _print_table(part)

    def line(self, document: Any, human: str) -> None:
        """One of a stream of results, at once; JSON documents are one to a line."""
        sys.stdout.write((as_json(document) if self.as_json else human) + "\n")
        sys.stdout.flush()


def note(text: str) -> None:
    """One line for people, beside the result."""
    sys.stderr.write(f"aos: {one_line(text)}\n")


def one_line(text: str) -> str:
    """The text without line breaks and control characters."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text with control characters, and marks that reorder what is shown, spelled out."""
    return _CONTROL.sub(_spelled, text)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON that a terminal shows as it is."""
    return _UNSAFE_IN_JSON.sub(_spelled, json.dumps(value, ensure_ascii=False, indent=indent))


def cell(value: object) -> str:
    """A value as it stands in a table: one line, and a dash where there is nothing."""
    if value is None or value == "":
        return "-"
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def brief(value: object) -> str:
    """The beginning of a value that may be long: an event's data, a reason."""
    text = cell(value)
    return text if len(text) <= BRIEF_LENGTH_MAX else text[: BRIEF_LENGTH_MAX - 1] + "…"


def moment(text: object) -> str:
    """A time of the API without its fraction of a second."""
    return re.sub(r"\.\d+", "", text) if isinstance(text, str) and text else "-"


def pairs(named: Mapping[str, object]) -> str:
    """Names and values, one pair to a line."""
    width = max(map(len, named))
    return "\n".join(f"{name:<{width}}  {cell(value)}" for name, value in named.items())


def _spelled(found: "re.Match[str]") -> str:
    return f"\\u{ord(found[0]):04x}"


def _print_table(table: Table) -> None:
    rows = [[cell(value) for value in row] for row in table.rows]
    if not rows:
        sys.stdout.write(f"{table.empty}\n" if table.empty else "")
        return
    if not sys.stdout.isatty():
        _print_plain([list(table.headings), *rows])
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=None, pad_edge=False, header_style="bold")
    for heading in table.headings:
        shown.add_column(heading, overflow="fold")  # nothing is left out: addresses are there to be copied
    for row in rows:
        shown.add_row(*map(Text, row))
    Console().print(shown)


def _print_plain(rows: list[list[str]]) -> None:
    """Columns for a pipe: never cut to the width of a terminal that is not there."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
