"""From a document to passages: no longer than a screen, cut where the text pauses, overlapping a little. Pure.

`base.KnowledgeBase.add` calls it; each passage knows its headings, its page and the span that it takes of the text.
"""

from collections.abc import Iterator
from hashlib import blake2b

from AgentOperatingSystem.knowledge.records import Part, Passage, Readable

PASSAGE_LENGTH_MAX = 1000
OVERLAP_LENGTH_MAX = 150
TRAIL = " > "
# Where a text may be cut, the best place first.
_PAUSES = ("\n\n", "\n", ". ", "; ", ", ", " ")


def passages_of(source: str, document: Readable) -> tuple[Passage, ...]:
    """The passages of a document, in reading order. Text that is white space alone gives none."""
    found: list[Passage] = []
    for part, trail, offset in _placed(document):
        for start, stop in spans(part.text):
            text = part.text[start:stop]
            found.append(
                Passage(
                    id=_id(source, offset + start, text),
                    source=source,
                    title=document.title,
                    heading=trail,
                    page=part.page,
                    start=offset + start,
                    stop=offset + stop,
                    text=text,
                )
            )
    return tuple(found)


def spans(
    text: str, length_max: int = PASSAGE_LENGTH_MAX, overlap_max: int = OVERLAP_LENGTH_MAX
) -> Iterator[tuple[int, int]]:
    """Where to cut: spans of at most `length_max` characters that overlap by at most `overlap_max` and leave out
    nothing but white space.
    """
    start, end = _after_space(text, 0), len(text.rstrip())
    while start < end:
        stop = end if end - start <= length_max else _pause(text, start + length_max // 2, start + length_max)
        yield start, start + len(text[start:stop].rstrip())
        if stop == end:
            return
        start = _after_space(text, _resumed(text, start, stop, overlap_max))


def _placed(document: Readable) -> Iterator[tuple[Part, str, int]]:
    """Each part with the headings above it and the place where its own text begins."""
    offset, above = 0, dict[int, str]()
    for part in document.parts:
        if part.level:
            above = {level: text for level, text in above.items() if level < part.level} | {part.level: part.heading}
        trail = TRAIL.join(above.values()) if part.level or not part.heading else part.heading
        line = part.heading_line
        offset += len(line) + 2 if line else 0
        yield part, trail, offset
        offset += len(part.text) + 2 if part.text else 0


def _pause(text: str, earliest: int, latest: int) -> int:
    """The end of the last piece that ends between the two places; `latest` where the text never pauses."""
    for pause in _PAUSES:
        found = text.rfind(pause, earliest, latest)
        if found >= 0:
            return found + len(pause)
    return latest


def _resumed(text: str, start: int, stop: int, overlap_max: int) -> int:
    """Where the next span begins: at the first line or sentence of the overlap, else where the last one ended."""
    earliest = max(stop - overlap_max, start + 1)
    for pause in _PAUSES[:3]:
        found = text.find(pause, earliest, stop)
        if found >= 0 and found + len(pause) < stop:
            return found + len(pause)
    return stop


def _after_space(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _id(source: str, start: int, text: str) -> str:
    return "p" + blake2b(f"{source}\x1f{start}\x1f{text}".encode(), digest_size=8).hexdigest()
