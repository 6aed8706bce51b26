"""The repository's prose, taken apart: pages, links, headings, fenced blocks and the marks before them.

A mark is an HTML comment that stands directly before or after a block, so that a reader of the page never sees it:

    <!-- file: counter.py -->   the next block is also written to this file, for the page's commands
    <!-- continues -->          the next block goes on where the one before it ended
    <!-- fragment: why -->      the next block is not run, and why
    <!-- check … -->            Python that is run after the block before it, with `await` at its top level
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        path
        for folder, pattern in ((".", "*.md"), ("docs", "**/*.md"), ("examples", "**/*.md"))
        for path in (ROOT / folder).glob(pattern)
    )
)
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)\s*$")
_MARK = re.compile(r"^<!-- (?P<name>file|continues|fragment)(?:: (?P<value>.+?))? -->$")
_CHECK = re.compile(r"^<!-- check\n(?P<code>.*?)^-->$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block, with the marks that stand by it."""

    page: Path
    line: int
    """The line of the opening fence, from 1."""
    language: str
    text: str
    marks: dict[str, str]
    check: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return list(_blocks(page, page.read_text()))


def blocks_in(*languages: str) -> list[Block]:
    """All blocks of these languages, in all pages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def prose_of(page: Path) -> str:
    """The page without its fenced blocks and comments, as many lines as before."""
    kept, fence = [], ""
    for line in page.read_text().splitlines():
        found = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
            kept.append("")
        elif found:
            fence = found["fence"]
            kept.append("")
        else:
            kept.append(line)
    return re.sub(r"<!--.*?-->", lambda hidden: "\n" * hidden[0].count("\n"), "\n".join(kept), flags=re.DOTALL)


def links_of(page: Path) -> list[str]:
    """Where the page links to."""
    return [found["target"] for found in _LINK.finditer(prose_of(page))]


def anchors_of(page: Path) -> set[str]:
    """The anchors that a page's headings make, as GitHub makes them."""
    seen: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", prose_of(page), re.MULTILINE):
        slug = _slug(heading)
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors


def code_spans_of(page: Path) -> list[str]:
    """What stands in backticks in the page's prose."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose_of(page))


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    kept = (letter for letter in text if letter in " -_" or unicodedata.category(letter)[0] in "LN")
    return "".join(kept).replace(" ", "-")


def _blocks(page: Path, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        found = _FENCE.match(lines[at])
        if found:
            end = lines.index(found["fence"], at + 1)
            block = Block(page, at + 1, found["language"], "\n".join(lines[at + 1 : end]) + "\n", _marks(lines, at))
            yield replace(block, check=_check(lines, end + 1))
            at = end
        at += 1


def _marks(lines: list[str], fence: int) -> dict[str, str]:
    marks: dict[str, str] = {}
    at = fence - 1
    while at >= 0 and (found := _MARK.match(lines[at])):
        marks[found["name"]] = found["value"] or ""
        at -= 1
    return marks


def _check(lines: list[str], after: int) -> str:
    while after < len(lines) and not lines[after].strip():
        after += 1
    found = _CHECK.match("\n".join(lines[after:]))
    return found["code"] if found else ""
