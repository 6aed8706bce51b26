"""Files and web pages for the knowledge base: the one place where it meets the reader of documents and the web.

`knowledge` asks through its port `DocumentSource`; `tools` reads. Neither knows the other.
"""

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.knowledge.ports import Embedder
from AgentOperatingSystem.knowledge.records import Part, Readable
from AgentOperatingSystem.tools.documents.reader import DocumentReader
from AgentOperatingSystem.tools.documents.records import Document
from AgentOperatingSystem.tools.web.fetching import Fetcher
from AgentOperatingSystem.tools.web.page import ACCEPT, check_status


class Documents:
    """A `DocumentSource` over `DocumentReader` (in a process of its own) and `Fetcher` (the safe transport)."""

    def __init__(self, reader: DocumentReader | None = None, fetcher: Fetcher | None = None) -> None:
        self._reader = reader or DocumentReader()
        self._fetcher = fetcher or Fetcher()

    async def read(self, content: bytes, *, name: str, media_type: str) -> Readable:
        """Raises as `DocumentReader.read` does."""
        return readable(await self._reader.read(content, name=name, media_type=media_type))

    async def fetch(self, url: str) -> Readable:
        """Raises as `DocumentReader.read` and `Fetcher.fetch` do."""
        fetched = await self._fetcher.fetch(url, headers={"Accept": ACCEPT})
        check_status(fetched)
        return readable(
            await self._reader.read(
                fetched.content, media_type=fetched.media_type, charset=fetched.charset, url=fetched.url
            )
        )


def readable(document: Document) -> Readable:
    """A document in the knowledge base's words."""
    parts = (
        Part(text=section.text, heading=section.heading, level=section.level, page=section.page)
        for section in document.sections
    )
    return Readable(title=document.title, parts=tuple(parts))


def embedder_of(config: AOSConfig) -> Embedder:
    """What the setting `embedding_model` names. Raises `UnknownModel`, `ConfigurationError`."""
    if config.embedding_model == "local":
        from AgentOperatingSystem.knowledge.local import LocalEmbedder

        return LocalEmbedder()
    from AgentOperatingSystem.ml.embeddings import embedder  # loads the HTTP client

    return embedder(config.embedding_model, config)
