"""What a document is once it has been read, and the limits of reading."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from AgentOperatingSystem.errors import ConfigurationError

MIB = 1 << 20


class Kind(StrEnum):
    """The formats that are read."""

    PDF = "pdf"
    DOCX = "docx"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document, in reading order: what stands under one heading, or on one page."""

    text: str
    heading: str = ""  # the nearest one above the text
    level: int = 0  # of the heading, from 1; 0 where the section has no heading of its own
    page: int | None = None  # from 1; where the format has pages

    @property
    def markdown(self) -> str:
        """The section with its own heading."""
        heading = f"{'#' * self.level} {self.heading}" if self.level else ""
        return "\n\n".join(part for part in (heading, self.text) if part)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as text. Every word of it is a stranger's."""

    title: str = ""
    kind: Kind
    sections: tuple[Section, ...] = ()

    @property
    def text(self) -> str:
        """All of it as Markdown."""
        return "\n\n".join(section.markdown for section in self.sections)


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """How much of a document is read; one that is larger is refused whole. `ConfigurationError` for nonsense."""

    bytes_max: int = 20 * MIB
    inflated_bytes_max: int = 100 * MIB  # of everything in an archive such as DOCX
    pages_max: int = 1000
    characters_max: int = 4_000_000  # of the text that comes out
    nodes_max: int = 500_000  # of a page's tree
    memory_bytes_max: int = 1024 * MIB  # of the process that reads
    seconds_max: float = 30.0

    def __post_init__(self) -> None:
        if min(self.__dict__.values()) <= 0:
            raise ConfigurationError("document limits: each must be above 0")
