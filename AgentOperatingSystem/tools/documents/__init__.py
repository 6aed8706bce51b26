"""Reads documents that came from anywhere: PDF, DOCX, HTML, Markdown and text become text with pages and headings.

    DocumentReader.read    decides the kind, starts a process, checks its answer            (the host)
    └── child.main         limits itself, then hands the bytes to one of `formats`          (a process per document)

Parsers of foreign files are where memory and time get lost, so none runs in the host's own process.
"""
