"""Small real files, made by hand or by the libraries that write them."""

import zipfile
from collections.abc import Sequence
from io import BytesIO

from docx import Document as new_docx
from pypdf import PdfReader, PdfWriter


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with one line of text per page, written as its specification says (ISO 32000-1, 7.5)."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects += [
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    return _assembled(objects)


def _assembled(objects: Sequence[str]) -> bytes:
    body = b"%PDF-1.7\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(body)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return body + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}".encode()


def pdf_with(
    pages: Sequence[str], *, title: str = "", bookmarks: Sequence[tuple[str, int]] = (), password: str = ""
) -> bytes:
    """The same with a title, bookmarks (title and page from 0), or a password."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf(pages))))
    if title:
        writer.add_metadata({"/Title": title})
    for bookmark, page in bookmarks:
        writer.add_outline_item(title=bookmark, page_number=page)
    if password:
        writer.encrypt(password)
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def docx() -> bytes:
    """A document with a title, headings, a list and a table."""
    document = new_docx()
    document.core_properties.title = "Quarterly report"
    document.add_paragraph("Before any heading.")
    document.add_heading("Results", level=1)
    document.add_paragraph("Revenue grew.")
    document.add_paragraph("First", style="List Bullet")
    document.add_heading("By region", level=2)
    table = document.add_table(rows=2, cols=2)
    for row, texts in zip(table.rows, (("Region", "Sum"), ("North", "7")), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def archive(parts: dict[str, bytes]) -> bytes:
    """A ZIP with these parts, compressed."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in parts.items():
            opened.writestr(name, content)
    return file.getvalue()
