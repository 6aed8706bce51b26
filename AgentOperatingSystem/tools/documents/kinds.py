"""Which format a document has: what its first bytes say goes before its media type, and that before its name."""

from AgentOperatingSystem.errors import UnsupportedMediaType
from AgentOperatingSystem.tools.documents.records import Kind

_MAGIC = ((b"%PDF-", Kind.PDF), (b"PK\x03\x04", Kind.DOCX))
_MAGIC_WITHIN = 1024  # bytes that may stand before %PDF-, as other readers allow
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MEDIA_TYPES = {
    "application/pdf": Kind.PDF,
    _WORD: Kind.DOCX,
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "text/markdown": Kind.MARKDOWN,
    "text/x-markdown": Kind.MARKDOWN,
    "application/json": Kind.TEXT,
    "application/xml": Kind.TEXT,
}
_SUFFIXES = {
    "pdf": Kind.PDF,
    "docx": Kind.DOCX,
    "html": Kind.HTML,
    "htm": Kind.HTML,
    "xhtml": Kind.HTML,
    "md": Kind.MARKDOWN,
    "markdown": Kind.MARKDOWN,
    "txt": Kind.TEXT,
    "text": Kind.TEXT,
    "csv": Kind.TEXT,
    "json": Kind.TEXT,
    "log": Kind.TEXT,
}


def kind_of(content: bytes, name: str = "", media_type: str = "") -> Kind:
    """The format. Raises `UnsupportedMediaType` for what none of the readers can read."""
    if (seen := _from_bytes(content)) is not None:
        return seen
    said = _from_media_type(media_type) or _SUFFIXES.get(name.lower().rpartition(".")[2])
    looks_like_text = not media_type and b"\x00" not in content[:_MAGIC_WITHIN]
    if said in (Kind.PDF, Kind.DOCX) or (said is None and not looks_like_text):
        raise UnsupportedMediaType(f"{name or 'document'}: {_described(said, media_type)}")
    return said or Kind.TEXT


def _from_bytes(content: bytes) -> Kind | None:
    head = content[:_MAGIC_WITHIN]
    if head.startswith(_MAGIC[1][0]):
        return Kind.DOCX
    return Kind.PDF if _MAGIC[0][0] in head else None


def _from_media_type(media_type: str) -> Kind | None:
    plain = media_type.partition(";")[0].strip().lower()
    if plain in _MEDIA_TYPES:
        return _MEDIA_TYPES[plain]
    return Kind.TEXT if plain.startswith("text/") or plain.endswith(("+json", "+xml")) else None


def _described(found: Kind | None, media_type: str) -> str:
    if found is not None:
        return f"is said to be {found}, but does not begin like one"
    said = f" ({media_type})" if media_type else ""
    return f"is of a type that is not read{said}; PDF, DOCX, HTML, Markdown and text are"
