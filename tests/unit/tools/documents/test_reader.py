"""Documents of every format, as text with pages and headings; and files that mean harm."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import (
    AOSError,
    ConfigurationError,
    TooLarge,
    UnreadableDocument,
    UnsupportedMediaType,
)
from AgentOperatingSystem.tools.documents.reader import DocumentReader
from AgentOperatingSystem.tools.documents.records import Document, DocumentLimits, Kind, Section
from AgentOperatingSystem.tools.sandbox.cage.calls import MACHINES
from tests.unit.tools.documents.files import archive, docx, pdf, pdf_with

MIB = 1 << 20


async def read(content: bytes, name: str = "", **more: str) -> Document:
    return await DocumentReader().read(content, name=name, **more)


async def test_a_pdf_has_a_section_per_page_under_its_bookmark() -> None:
    content = pdf_with(
        ["Contents", "First things", "More of them", "Second things"],
        title="A manual",
        bookmarks=[("One", 1), ("Two", 3), ("Two again", 3)],
    )
    told = await read(content)
    assert (told.kind, told.title) == (Kind.PDF, "A manual")
    assert [(each.page, each.level, each.heading, each.text) for each in told.sections] == [
        (1, 0, "", "Contents"),
        (2, 1, "One", "First things"),
        (3, 0, "One", "More of them"),
        (4, 1, "Two", "Second things"),
    ]
    assert told.text.startswith("Contents\n\n# One\n\nFirst things\n\nMore of them\n\n# Two")


async def test_a_pdf_page_without_text_is_left_out() -> None:
    told = await read(pdf(["one", "", "three"]))
    assert [(each.page, each.text) for each in told.sections] == [(1, "one"), (3, "three")]


async def test_a_docx_has_a_section_per_heading() -> None:
    told = await read(docx(), "report.docx")
    assert (told.kind, told.title) == (Kind.DOCX, "Quarterly report")
    assert told.sections == (
        Section(text="Before any heading."),
        Section(text="Revenue grew.\n\n- First", heading="Results", level=1),
        Section(text="Region | Sum\nNorth | 7", heading="By region", level=2),
    )


async def test_plain_text_in_several_encodings() -> None:
    for content, charset in (
        ("grüße".encode(), ""),
        (b"\xef\xbb\xbf" + "grüße".encode(), ""),
        ("grüße".encode("utf-16"), ""),
        ("grüße".encode("cp1252"), ""),
        ("grüße".encode("iso-8859-1"), "ISO-8859-1"),
        ("grüße".encode("utf-16-le"), "utf-16le"),
        ("grüße".encode(), "no-such-charset"),
    ):
        told = await read(content, "a.txt", charset=charset)
        assert told.text == "grüße", (content, charset)
        assert told.kind is Kind.TEXT


async def test_an_empty_text_has_no_sections() -> None:
    assert (await read(b"", "a.txt")).sections == ()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"name": "A.MD"}, Kind.MARKDOWN),
        ({"media_type": "text/markdown; charset=utf-8"}, Kind.MARKDOWN),
        ({"name": "page", "media_type": "text/html"}, Kind.HTML),
        ({"name": "a.html"}, Kind.HTML),
        ({"media_type": "text/csv"}, Kind.TEXT),
        ({"media_type": "application/problem+json"}, Kind.TEXT),
        ({"name": "no-suffix"}, Kind.TEXT),
    ],
)
async def test_kinds_of_text(arguments: dict[str, str], kind: Kind) -> None:
    assert (await DocumentReader().read(b"words", **arguments)).kind is kind


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"words", {"media_type": "image/png"}),
        (b"words", {"name": "a.bin", "media_type": "application/octet-stream"}),
        (b"\x89PNG\r\n\x1a\n\x00\x00", {}),
        (b"words", {"name": "a.pdf"}),
        (b"words", {"media_type": "application/pdf"}),
        (b"words", {"name": "a.docx"}),
    ],
)
async def test_what_is_not_read(content: bytes, arguments: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        await DocumentReader().read(content, **arguments)


async def test_bytes_go_before_names() -> None:
    assert (await read(pdf(["text"]), "a.txt")).kind is Kind.PDF


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pdf(["secret"])[:300], "damaged PDF|no text"),
        (b"%PDF-1.7 and nothing else", "damaged PDF"),
        (pdf(["", ""]), "it may be a scan"),
        (pdf_with(["secret"], password="open sesame"), "encrypted with a password"),
        (b"PK\x03\x04 not a zip", "damaged DOCX"),
        (archive({"hello.txt": b"hi"}), "no DOCX"),
        (archive({"word/document.xml": b"<w:document>"}), "not a DOCX|damaged DOCX"),
        (docx()[:-200], "damaged DOCX"),
    ],
    ids=["cut pdf", "no pdf", "scan", "encrypted", "no zip", "other zip", "no parts", "cut docx"],
)
async def test_files_that_cannot_be_read(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableDocument, match=message):
        await read(content)


async def test_a_pdf_that_anyone_may_open_is_read() -> None:
    writer_protected = pdf_with(["open to all"], password="")
    assert (await read(writer_protected)).text == "open to all"


async def test_limits_are_for_the_whole_document() -> None:
    small = DocumentReader(DocumentLimits(bytes_max=2000, pages_max=2, characters_max=10))
    with pytest.raises(TooLarge, match="2001 bytes; the limit is 2000"):
        await small.read(b"x" * 2001)
    with pytest.raises(TooLarge, match="3 pages; the limit is 2"):
        await small.read(pdf(["a", "b", "c"]))
    with pytest.raises(TooLarge, match="characters"):
        await small.read(b"x" * 11)
    with pytest.raises(TooLarge, match="characters"):
        await small.read(pdf(["eleven char"]))
    assert (await small.read(b"x" * 10)).text == "x" * 10


async def test_an_archive_that_is_a_bomb_is_not_unpacked() -> None:
    bomb = archive({"word/document.xml": b"<w>" + bytes(200 * MIB)})
    assert len(bomb) < MIB
    started = time.monotonic()
    with pytest.raises(TooLarge, match="when unpacked"):
        await read(bomb)
    assert time.monotonic() - started < 10


async def test_entities_of_a_docx_are_not_expanded() -> None:
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10 if n else 'lol'}'>" for n in range(9))
    document = f"<!DOCTYPE x [{laughs}<!ENTITY f SYSTEM 'file:///etc/passwd'>]><x>&l8;&f;</x>"
    parts = {"word/document.xml": document.encode(), "[Content_Types].xml": TYPES, "_rels/.rels": RELATIONS}
    try:
        told = await read(archive(parts))
    except UnreadableDocument:
        return
    assert "lol" not in told.text
    assert "root" not in told.text


TYPES = b"""<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/word/document.xml"
 ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
RELATIONS = b"""<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="word/document.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>"""


async def test_a_page_as_deep_as_it_is_long_ends_at_the_time_limit() -> None:
    reader = DocumentReader(DocumentLimits(seconds_max=1))
    started = time.monotonic()
    with pytest.raises(UnreadableDocument, match="takes longer than 1 s"):
        await reader.read(b"<div>" * 100_000, media_type="text/html")
    assert time.monotonic() - started < 3


async def test_memory_of_the_reading_process_is_limited() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux limits address space")
    reader = DocumentReader(DocumentLimits(memory_bytes_max=96 * MIB))
    with pytest.raises((TooLarge, UnreadableDocument)):
        await reader.read(b"<p>" + b"x" * (19 * MIB), media_type="text/html")


async def test_too_many_elements() -> None:
    reader = DocumentReader(DocumentLimits(nodes_max=100))
    with pytest.raises(TooLarge, match="nodes"):
        await reader.read(b"<p>x" * 100, media_type="text/html")


async def test_the_event_loop_goes_on_while_a_document_is_read() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(read(pdf(["page"] * 50)) for _ in range(2)))
    ticking.cancel()
    assert ticks > 5


async def test_without_its_library_a_format_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pypdf.py").write_text("raise ModuleNotFoundError('no', name='pypdf')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ConfigurationError, match=r"reading pdf needs .*agent-operating-system\[documents\]"):
        await read(pdf(["text"]))


async def test_errors_name_the_document() -> None:
    for content in (b"%PDF-", b"\x00\x00", b"x" * (21 * MIB)):
        with pytest.raises(AOSError, match=r"^report\.x: "):
            await read(content, "report.x", media_type="application/x")


@pytest.mark.parametrize("name", ["bytes_max", "seconds_max", "pages_max"])
def test_limits_that_make_no_sense(name: str) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        DocumentLimits(**{name: 0})


def test_a_parser_that_was_taken_over_can_call_nobody() -> None:
    if sys.platform != "linux" or os.uname().machine not in MACHINES:
        pytest.skip("this system has no second wall")
    ran = subprocess.run([sys.executable, "-c", TAKEN_OVER], capture_output=True, text=True, timeout=60)
    assert ran.stdout.split() == ["PermissionError"] * 3, ran.stderr


TAKEN_OVER = """
import os, socket
from AgentOperatingSystem.tools.documents import child
child._shut_in()
for act in (socket.socket, os.fork, lambda: os.execv("/bin/true", ["true"])):
    try:
        act()
        print("done")
    except OSError as error:
        print(type(error).__name__)
"""
