"""The records of the knowledge base: what is put in, what is kept, what is found. Frozen, and JSON."""

from hashlib import blake2b
from typing import Literal

import msgspec

from AgentOperatingSystem.errors import EmbedderMismatch, InvalidInput
from AgentOperatingSystem.ids import DEFAULT_TENANT

DEFAULT_COLLECTION = "default"
SOURCE_LENGTH_MAX = 1024
NAME_LENGTH_MAX = 64
SearchBy = Literal["hybrid", "meaning", "words"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document in reading order: what stands under one heading, or on one page."""

    text: str
    heading: str = ""
    """The nearest one above the text."""
    level: int = 0
    """Of the heading, from 1; 0 where the part has no heading of its own."""
    page: int | None = None

    @property
    def heading_line(self) -> str:
        """The heading as it stands in the document's text."""
        return f"{'#' * self.level} {self.heading}" if self.level and self.heading else ""


class Readable(msgspec.Struct, frozen=True, kw_only=True):
    """A document as text, whoever has read it. Every word of it is a stranger's."""

    parts: tuple[Part, ...]
    title: str = ""

    @property
    def text(self) -> str:
        """All of it; spans of passages count its characters."""
        pieces = (piece for part in self.parts for piece in (part.heading_line, part.text) if piece)
        return "\n\n".join(pieces)


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document that can be found and cited."""

    id: str
    """The same for the same text at the same place of the same source."""
    source: str
    """Where the document came from: a path, an address, a name."""
    title: str = ""
    heading: str = ""
    """The headings above it, outermost first: `Running it > Backup`."""
    page: int | None = None
    start: int
    stop: int
    """`text` is what stands from `start` to `stop` in the document's text."""
    text: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that a search found."""

    passage: Passage
    score: float
    """What it was ranked by; comparable within one search only."""
    similarity: float | None = None
    """Cosine of its meaning to the question's, from -1 to 1; None where meaning was not asked for."""
    shares_words: bool = False
    """Whether the search by word found it."""


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a document that was given to the knowledge base."""

    source: str
    collection: str
    digest: str
    passages: int
    changed: bool
    """False where exactly this document was there already: nothing was written."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is kept, without its text."""

    source: str
    title: str
    digest: str
    """A hash of everything that was read."""
    characters: int
    passages: int
    added_at: float


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A set of documents that is searched as one. All its vectors come from one embedder."""

    name: str
    embedder: str
    dimensions: int
    passages: int
    version: int
    """Raised by every change."""
    epoch: int
    """Another number whenever all vectors were made anew, or the collection itself was."""


class Scope(msgspec.Struct, frozen=True):
    """Whose collection, and which. Raises `InvalidInput` for a name that is none."""

    tenant: str = DEFAULT_TENANT
    collection: str = DEFAULT_COLLECTION

    def __post_init__(self) -> None:
        for what, name in (("tenant", self.tenant), ("collection", self.collection)):
            if not 0 < len(name) <= NAME_LENGTH_MAX or not name.replace("-", "").replace("_", "").isalnum():
                raise InvalidInput(f"{what} {name[:80]!r}: needs 1 to {NAME_LENGTH_MAX} letters, digits, '-' or '_'")

    @property
    def key(self) -> str:
        """A word of digits that stands for the scope in the index of words."""
        digest = blake2b(f"{self.tenant}\x1f{self.collection}".encode(), digest_size=8).digest()
        return f"{int.from_bytes(digest, 'big'):020d}"


def check_source(source: str) -> str:
    """The name of a document. Raises `InvalidInput`."""
    if not 0 < len(source) <= SOURCE_LENGTH_MAX or any(not letter.isprintable() for letter in source):
        raise InvalidInput(f"source {source[:80]!r}: needs 1 to {SOURCE_LENGTH_MAX} printable characters")
    return source


def digest_of(document: Readable) -> str:
    """A hash of everything that was read: two documents with the same one are the same."""
    return blake2b(msgspec.json.encode(document), digest_size=16).hexdigest()


def mismatch(kept: Collection, embedder: str, dimensions: int = 0) -> EmbedderMismatch:
    """The error for vectors that do not belong into a collection."""
    length = f" ({dimensions} dimensions)" if dimensions else ""
    return EmbedderMismatch(
        f"collection {kept.name!r} has vectors of {kept.embedder} ({kept.dimensions} dimensions), and these are of "
        f"{embedder}{length}: the two are never mixed. Set embedding_model back, or make all vectors of the collection "
        f"anew: aos knowledge embed {kept.name}"
    )
