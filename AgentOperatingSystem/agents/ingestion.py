"""A document as it is sent: text, an address, a file's bytes, or a path. Checked, read and kept.

`KnowledgeAgent` and the HTTP door call `ingest`; the knowledge base reads and keeps.
"""

import asyncio
import base64
import binascii
from pathlib import Path

import msgspec

from AgentOperatingSystem.errors import InvalidInput, NotFound
from AgentOperatingSystem.knowledge.base import KnowledgeBase
from AgentOperatingSystem.knowledge.records import Added

FILE_BYTES_MAX = 20 << 20


class Ingest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document to keep: exactly one of `text`, `url`, `path` and `content`."""

    source: str = ""
    """The document's name; that of the file or the address where it is empty."""
    text: str = ""
    url: str = ""
    path: str = ""
    """A file below the folder that the receiver may read from."""
    content: str = ""
    """The bytes of a file in base64; `name` or `media_type` says which format it has."""
    name: str = ""
    media_type: str = ""
    title: str = ""
    """Of a text."""


async def ingest(base: KnowledgeBase, given: Ingest, collection: str, folder: str | Path = "") -> Added:
    """Keeps a document; a `path` is read below `folder`, and refused where that is empty.

    Raises `InvalidInput`, `NotFound`, and what the reader and the knowledge base raise.
    """
    if sum(bool(each) for each in (given.text, given.url, given.path, given.content)) != 1:
        raise InvalidInput("a document to keep: give exactly one of text, url, path and content")
    source = given.source or given.url or given.path or given.name
    if not source:
        raise InvalidInput("a document to keep: give the document a name, as source")
    if given.text:
        return await base.add_text(source, given.text, collection, title=given.title)
    if given.url:
        return await base.add_url(given.url, collection, source=source)
    content = await asyncio.to_thread(_file, folder, given.path) if given.path else _bytes(given.content)
    name = given.name or given.path or source
    return await base.add_bytes(source, content, collection, name=name, media_type=given.media_type)


def _file(folder: str | Path, path: str) -> bytes:
    """A file below the folder, links followed first."""
    if not folder:
        raise InvalidInput("no files are read here by path: send the file's content, or give the agent a folder=")
    root = Path(folder).resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise InvalidInput(f"path {path[:200]!r} leads out of the folder that may be read")
    if not file.is_file():
        raise NotFound(f"there is no file {path[:200]!r} in the folder that may be read")
    if file.stat().st_size > FILE_BYTES_MAX:
        raise InvalidInput(f"{path[:200]!r} is larger than {FILE_BYTES_MAX} bytes")
    return file.read_bytes()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidInput(f"a document to keep: content is not base64: {error}") from None
