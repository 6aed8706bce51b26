"""The ports of the knowledge base: who keeps passages, who turns text into vectors, who reads documents.

`base.KnowledgeBase` speaks to them. `sqlite.SqlitePassageStore` and `local.LocalEmbedder` ship; embedders of providers
(`ml.embeddings`) and the reader of documents (`agents.documents`) are handed in by the composition.
"""

from collections.abc import Sequence
from typing import Protocol

from AgentOperatingSystem.knowledge.records import Collection, Entry, Passage, Readable, Scope
from AgentOperatingSystem.storage.records import Page

Vector = Sequence[float]


class Embedder(Protocol):
    """Turns text into vectors whose angles say how alike two meanings are. Any number of tasks may use one."""

    @property
    def name(self) -> str:
        """What is stored with a collection: vectors of different names are never compared."""
        ...

    @property
    def by_rarity(self) -> bool:
        """Whether a dimension counts the more, the fewer passages of the collection have it (for sparse vectors)."""
        ...

    @property
    def floor(self) -> float:
        """The cosine below which two texts have nothing to do with each other."""
        ...

    async def passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector for each text, all of one length. Raises `ModelError`s where a provider is asked."""
        ...

    async def question(self, text: str) -> Vector:
        """The vector of what is searched for."""
        ...

    async def close(self) -> None:
        """Lets go of connections. Closing twice is the same as once."""
        ...


class DocumentSource(Protocol):
    """Reads documents; knows the formats and the web, which this package does not."""

    async def read(self, content: bytes, *, name: str, media_type: str) -> Readable:
        """A document from its bytes. Raises `UnsupportedMediaType`, `UnreadableDocument`, `TooLarge`."""
        ...

    async def fetch(self, url: str) -> Readable:
        """A document of the web. Raises as `read` does, `AddressRefused`, `ServiceError`."""
        ...


class PassageStore(Protocol):
    """Documents as passages with vectors, by tenant and collection. Every method raises `StoreUnavailable`.

    `sources` are names of documents, or beginnings of names with a `*` behind; none of them means all documents.
    """

    async def collection(self, scope: Scope) -> Collection | None: ...

    async def collections(self, tenant: str) -> tuple[Collection, ...]:
        """By name."""
        ...

    async def entry(self, scope: Scope, source: str) -> Entry | None: ...

    async def entries(self, scope: Scope, after: str = "", limit: int = 100) -> Page[Entry]:
        """By source."""
        ...

    async def replace(
        self, scope: Scope, embedder: str, entry: Entry, passages: Sequence[Passage], vectors: Sequence[Vector]
    ) -> None:
        """Puts a document in the place of the one with its source, in one transaction; durable when this returns.

        Raises `EmbedderMismatch` where the collection's vectors are another embedder's, or of another length; one that
        holds nothing becomes the new one's.
        """
        ...

    async def remove(self, scope: Scope, sources: Sequence[str]) -> tuple[str, ...]:
        """Removes documents with their passages, and answers which; those that are not there are removed already."""
        ...

    async def drop(self, scope: Scope) -> bool:
        """Removes a whole collection; says whether it was there."""
        ...

    async def passage(self, scope: Scope, passage_id: str) -> Passage | None: ...

    async def batch(self, scope: Scope, after: int, limit: int) -> Sequence[tuple[int, Passage]]:
        """Passages in the order in which they were put in, with their numbers, behind number `after`."""
        ...

    async def renew(self, scope: Scope, embedder: str, version: int, vectors: Sequence[tuple[int, Vector]]) -> None:
        """Gives every passage a new vector, by number, in one transaction.

        Raises `Conflict` where the collection's version has moved.
        """
        ...

    async def nearest(
        self, scope: Scope, question: Vector, limit: int, sources: Sequence[str] = (), *, by_rarity: bool = False
    ) -> Sequence[tuple[Passage, float]]:
        """Passages by their likeness to the question, with the cosine. Raises `EmbedderMismatch` for another length."""
        ...

    async def matching(
        self, scope: Scope, words: Sequence[str], limit: int, sources: Sequence[str] = ()
    ) -> Sequence[Passage]:
        """Passages that have any of the words (or another form of one), by BM25."""
        ...

    async def close(self) -> None:
        """Lets go of everything. Closing twice is the same as once."""
        ...
