"""Markdown: a section per heading. Only headings are looked for (CommonMark 4.2 and 4.3), outside of fenced code."""

import re
from collections.abc import Generator, Iterator

from AgentOperatingSystem.tools.documents.formats.given import Given
from AgentOperatingSystem.tools.documents.records import Document, Kind, Section
from AgentOperatingSystem.tools.plain_text import decoded, visible

LEVELS = 6
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)

Line = tuple[str, int]  # text, and the level of the heading that it is; 0 for none


def read(content: bytes, given: Given) -> Document:
    """Its sections; the title is the first heading of the first level."""
    text = visible(decoded(content, given.charset))
    front = _FRONT_MATTER.match(text)
    sections = tuple(_sections(_lines(text[front.end() :] if front else text)))
    title = next((section.heading for section in sections if section.level == 1), "")
    return Document(kind=Kind.MARKDOWN, title=title, sections=sections)


def _sections(lines: Iterator[Line]) -> Iterator[Section]:
    heading, level, body = "", 0, list[str]()
    for text, found in lines:
        if found:
            yield from _section(heading, level, body)
            heading, level, body = text, found, []
        else:
            body.append(text)
    yield from _section(heading, level, body)


def _section(heading: str, level: int, body: list[str]) -> Iterator[Section]:
    text = "\n".join(body).strip("\n")
    if text.strip() or level:
        yield Section(text=text, heading=heading, level=level)


def _lines(text: str) -> Iterator[Line]:
    """Each line with its level; a heading that is underlined gives one line."""
    fence, held = "", ""
    for line in text.split("\n"):
        opened = _FENCE.match(line)
        if fence or opened:
            yield from ((held, 0),) if held else ()
            yield line, 0
            held, fence = "", _fence_after(fence, opened[1] if opened else "")
        elif held and (underline := _UNDERLINE.fullmatch(line)):
            yield held.strip(), 1 if underline[1][0] == "=" else 2
            held = ""
        else:
            yield from ((held, 0),) if held else ()
            held = yield from _held(line)
    if held:
        yield held, 0


def _held(line: str) -> Generator[Line, None, str]:
    """Returns a line that the next one may turn into a heading; any other one is yielded."""
    text, level = _atx(line)
    if level:
        yield text, level
        return ""
    if line.strip() and not line.startswith("    "):
        return line
    yield line, 0
    return ""


def _atx(line: str) -> Line:
    """`## Heading ##` as its text and 2."""
    text = line.strip()
    level = len(text) - len(text.lstrip("#"))
    rest = text[level:]
    if not 1 <= level <= LEVELS or line.startswith("    ") or (rest and rest[0] not in " \t"):
        return line, 0
    rest = rest.strip()
    closed = rest.rstrip("#")
    return (closed.strip() if closed == closed.rstrip() + " " or not closed else rest), level


def _fence_after(fence: str, found: str) -> str:
    """The fence that is open after a line with `found`."""
    if not fence:
        return found
    return "" if found[:1] == fence[0] and len(found) >= len(fence) else fence
