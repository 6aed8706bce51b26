"""Turns the elements of a page, one after the other, into sections of Markdown. `html` walks, this writes."""

from collections.abc import Iterator

from AgentOperatingSystem.tools.documents.records import Section

# fmt: off
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "form", "header", "hgroup", "hr", "html", "li", "main", "ol", "p", "pre", "search",
    "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
})
# fmt: on
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LISTS = ("ul", "ol")
ITEM, ROW, TEXT = "item", "row", "text"


class PageText:
    """`enter` and `leave` for elements, `words` and `link` for what stands in them; `sections` in the end."""

    def __init__(self) -> None:
        self._done: list[Section] = []
        self._heading, self._level = "", 0
        self._blocks: list[tuple[str, str]] = []  # what it is, and its text
        self._inline: list[str] = []
        self._lists = 0
        self._pre = 0
        self._item = ""  # what the next block begins with

    def enter(self, tag: str) -> None:
        """An element begins."""
        if tag == "br":
            self._inline.append("\n")
        elif tag in BLOCKS or tag in HEADINGS:
            self._end_block()
        if tag in LISTS:
            self._lists += 1
        elif tag == "li":
            self._item = "  " * (self._lists - 1) + "- "
        elif tag == "pre":
            self._pre += 1

    def leave(self, tag: str) -> None:
        """An element ends."""
        if tag in HEADINGS:
            self._begin_section(HEADINGS[tag])
        elif tag in ("td", "th"):
            self._inline.append(" | ")
        elif tag in BLOCKS:
            self._end_block(ROW if tag == "tr" else TEXT)
        if tag in LISTS:
            self._lists -= 1
        elif tag == "pre":
            self._pre -= 1

    def words(self, text: str) -> None:
        """Text as it stands in the page."""
        if text:
            self._inline.append(text if self._pre else " ".join(f".{text}.".split())[1:-1])

    def link(self, target: str, *, entering: bool) -> None:
        """A link begins or ends; one that leads nowhere is its words alone."""
        if target:
            self._inline.append("[" if entering else f"]({target})")

    def sections(self) -> Iterator[Section]:
        """What was written, without what is empty."""
        self._end_section()
        return iter(self._done)

    def _end_block(self, kind: str = TEXT) -> None:
        text = "".join(self._inline)
        self._inline = []
        text = text.strip("\n") if self._pre else _tidy(text)
        if not text.strip():
            return
        if self._pre:
            text = f"```\n{text}\n```"
        self._blocks.append((ITEM if self._item else kind, self._item + text))
        self._item = ""

    def _begin_section(self, level: int) -> None:
        heading = " ".join("".join(self._inline).split())
        self._inline = []
        if heading:
            self._end_section()
            self._heading, self._level = heading, level

    def _end_section(self) -> None:
        self._end_block()
        text = _joined(self._blocks)
        if text or self._level:
            self._done.append(Section(text=text, heading=self._heading, level=self._level))
        self._blocks = []


def _tidy(text: str) -> str:
    """One space where there are several, no row's end mark."""
    lines = (" ".join(line.split()).removesuffix(" |") for line in text.split("\n"))
    return "\n".join(line for line in lines if line and line != "|")


def _joined(blocks: list[tuple[str, str]]) -> str:
    """Blocks apart, items of a list and rows of a table together."""
    parts: list[str] = []
    before = ""
    for kind, text in blocks:
        together = kind == before and kind in (ITEM, ROW)
        parts += ["\n" if together else "\n\n", text] if parts else [text]
        before = kind
    return "".join(parts)
