"""Plain text: one section. Its title is nothing that the text says of itself."""

from AgentOperatingSystem.tools.documents.formats.given import Given
from AgentOperatingSystem.tools.documents.records import Document, Kind, Section
from AgentOperatingSystem.tools.plain_text import decoded, visible


def read(content: bytes, given: Given) -> Document:
    """The text, decoded and cleaned."""
    text = visible(decoded(content, given.charset)).strip()
    return Document(kind=Kind.TEXT, sections=(Section(text=text),) if text else ())
