"""DOCX, with python-docx: a section per heading, tables as rows. The format has no pages."""

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from docx import Document as open_docx
from docx.opc.exceptions import OpcError
from docx.table import Table
from docx.text.paragraph import Paragraph

from AgentOperatingSystem.tools.documents.formats.given import Given, OverLimit, Unreadable
from AgentOperatingSystem.tools.documents.records import Document, Kind, Section
from AgentOperatingSystem.tools.plain_text import visible

PARTS_MAX = 5000
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_NEEDED = "word/document.xml"


def read(content: bytes, given: Given) -> Document:
    """Its text in order. The archive is measured before anything in it is unpacked."""
    try:
        _check_archive(content, given.inflated_bytes_max)
        opened = open_docx(BytesIO(content))
        blocks = [_block(part) for part in opened.iter_inner_content()]
        title = visible(opened.core_properties.title or "").strip()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OpcError, SyntaxError) as error:
        raise Unreadable(f"it is a damaged DOCX: {error}") from None
    except (KeyError, ValueError, AttributeError, NotImplementedError, RecursionError) as error:
        raise Unreadable(f"it is not a DOCX that can be read: {error}") from None
    sections = tuple(_sections(blocks))
    return Document(kind=Kind.DOCX, title=title or _first_heading(sections), sections=sections)


def _check_archive(content: bytes, inflated_bytes_max: int) -> None:
    """What the archive says of its sizes is what zipfile unpacks at most."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        parts = archive.infolist()
        inflated = sum(part.file_size for part in parts)
        if inflated > inflated_bytes_max or len(parts) > PARTS_MAX:
            raise OverLimit(f"{inflated} bytes in {len(parts)} parts when unpacked; the limit is {inflated_bytes_max}")
        if _NEEDED not in archive.namelist():
            raise Unreadable(f"it is an archive, but no DOCX: {_NEEDED} is missing")


def _block(part: Any) -> tuple[str, int]:
    """Text, and the level of the heading that it is; 0 for none."""
    if isinstance(part, Table):
        rows = [" | ".join(_one_line(cell.text) for cell in row.cells) for row in part.rows]
        return "\n".join(rows), 0
    assert isinstance(part, Paragraph)
    style = (part.style.name if part.style is not None else None) or ""
    text = visible(part.text).strip()
    if heading := _HEADING.match(style):
        return _one_line(text), int(heading[1])
    if style == "Title":
        return _one_line(text), 1
    return (f"- {text}" if text and style.startswith("List") else text), 0


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())


def _sections(blocks: list[tuple[str, int]]) -> Iterator[Section]:
    heading, level, body = "", 0, list[str]()
    for text, found in [*blocks, ("", 10)]:
        if not found:
            body.append(text)
            continue
        joined = "\n\n".join(part for part in body if part)
        if joined or level:
            yield Section(text=joined, heading=heading, level=level)
        heading, level, body = text, found, []


def _first_heading(sections: tuple[Section, ...]) -> str:
    return next((section.heading for section in sections if section.level == 1), "")
