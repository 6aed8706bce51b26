"""PDF, with pypdf: a section per page, each under the bookmark that it belongs to."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from AgentOperatingSystem.tools.documents.formats.given import Given, OverLimit, Unreadable
from AgentOperatingSystem.tools.documents.records import Document, Kind, Section
from AgentOperatingSystem.tools.plain_text import visible


def read(content: bytes, given: Given) -> Document:
    """Its pages that have text. pypdf holds limits of its own on streams, trees and outlines."""
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("it is encrypted with a password")
        _check_pages(len(reader.pages), given.pages_max)
        sections = tuple(_sections(reader, given.characters_max))
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Unreadable(f"it is a damaged PDF: {error}") from None
    if not any(section.text for section in sections):
        raise Unreadable("its pages have no text; it may be a scan")
    return Document(kind=Kind.PDF, title=_title(reader), sections=sections)


def _check_pages(pages: int, pages_max: int) -> None:
    if pages > pages_max:
        raise OverLimit(f"{pages} pages; the limit is {pages_max}")


def _sections(reader: PdfReader, characters_max: int) -> Iterator[Section]:
    bookmarks = _bookmarks(reader)
    heading = ""
    for number, page in enumerate(reader.pages, start=1):
        text = visible(page.extract_text()).strip()
        characters_max -= len(text)
        if characters_max < 0:
            raise OverLimit("more text than the limit on characters")
        started = bookmarks.get(number)
        heading = started or heading
        if text:
            yield Section(text=text, heading=heading, level=1 if started else 0, page=number)


def _bookmarks(reader: PdfReader) -> dict[int, str]:
    """Page to the first bookmark that leads there; none where the outline is damaged."""
    try:
        return dict(reversed(list(_flat(reader, reader.outline))))
    except Exception:  # pypdf raises many kinds here, and a document is readable without its outline
        return {}


def _flat(reader: PdfReader, outline: Sequence[Any]) -> Iterator[tuple[int, str]]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(reader, entry)
        elif (page := reader.get_destination_page_number(entry)) is not None:
            yield page + 1, visible(str(entry.title)).strip()


def _title(reader: PdfReader) -> str:
    try:
        return visible(str(reader.metadata.title or "")).strip() if reader.metadata else ""
    except Exception:  # damaged metadata
        return ""
