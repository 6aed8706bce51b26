"""`KnowledgeBase`: documents in, cited passages out. What agents, the command and the HTTP routes speak to.

    add → passages → embedder → store           search → embedder and words → store → fusion

Adding the same document again changes nothing, so a retried event is harmless. A changed document takes the place of
its old self in one transaction. Made by the composition, which hands in the store, the embedder and the reader.
"""

from collections.abc import Sequence

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import Conflict, InvalidInput, NotFound, TooLarge
from AgentOperatingSystem.ids import DEFAULT_TENANT
from AgentOperatingSystem.knowledge.fusion import cover_of, fused
from AgentOperatingSystem.knowledge.passages import passages_of
from AgentOperatingSystem.knowledge.ports import DocumentSource, Embedder, PassageStore, Vector
from AgentOperatingSystem.knowledge.records import (
    DEFAULT_COLLECTION,
    Added,
    Collection,
    Entry,
    Found,
    Part,
    Passage,
    Readable,
    Scope,
    SearchBy,
    check_source,
    digest_of,
    mismatch,
)
from AgentOperatingSystem.knowledge.stems import search_words
from AgentOperatingSystem.storage.records import Page

PASSAGES_MAX = 250_000
LIMIT_MAX = 100
QUESTION_LENGTH_MAX = 10_000
_EMBED_BATCH = 64
_RENEW_BATCH = 1000
_CANDIDATES = 50
_RENEWALS_MAX = 3
# A passage that is not alike is found by word only where it has so much of what was asked: one word of five is chance.
_COVER_MIN = 0.4


class KnowledgeBase:
    """Documents of one tenant, in collections that are searched one at a time.

    Every method raises `StoreUnavailable`; those that embed raise the provider's `ModelError`s, and `EmbedderMismatch`
    where the collection's vectors are another embedder's.
    """

    def __init__(
        self,
        store: PassageStore,
        embedder: Embedder,
        documents: DocumentSource | None = None,
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.embedder = embedder
        self.tenant = tenant
        self._documents = documents
        self._clock: Clock = clock or SystemClock()

    def of(self, tenant: str) -> "KnowledgeBase":
        """The same knowledge base for another tenant, who sees nothing of this one's."""
        if tenant == self.tenant:
            return self
        return KnowledgeBase(self.store, self.embedder, self._documents, tenant=tenant, clock=self._clock)

    # --- in -------------------------------------------------------------------------------------------------

    async def add(self, source: str, document: Readable, collection: str = DEFAULT_COLLECTION) -> Added:
        """Keeps a document under its source, in the place of what lay there; the same one again writes nothing.

        Raises `InvalidInput` where it has no text, `TooLarge` where the collection is full.
        """
        scope, digest = Scope(self.tenant, collection), digest_of(document)
        known = await self.store.entry(scope, check_source(source))
        there = await self._checked(scope)
        if known is not None and known.digest == digest:
            return Added(source=source, collection=collection, digest=digest, passages=known.passages, changed=False)
        passages = passages_of(source, document)
        if not passages:
            raise InvalidInput(f"{source[:80]}: there is no text in it")
        if (there.passages if there else 0) + len(passages) > PASSAGES_MAX:
            raise TooLarge(f"collection {collection!r} holds {PASSAGES_MAX} passages at most; use several collections")
        entry = Entry(
            source=source,
            title=document.title,
            digest=digest,
            characters=len(document.text),
            passages=len(passages),
            added_at=self._clock.now(),
        )
        await self.store.replace(scope, self.embedder.name, entry, passages, await self._embedded(passages))
        return Added(source=source, collection=collection, digest=digest, passages=len(passages), changed=True)

    async def add_text(self, source: str, text: str, collection: str = DEFAULT_COLLECTION, *, title: str = "") -> Added:
        """Keeps plain text; spans of its passages count its characters. Raises as `add` does."""
        return await self.add(source, Readable(title=title, parts=(Part(text=text),)), collection)

    async def add_bytes(
        self, source: str, content: bytes, collection: str = DEFAULT_COLLECTION, *, name: str = "", media_type: str = ""
    ) -> Added:
        """Reads a file (PDF, DOCX, HTML, Markdown, text) and keeps it. Raises as `add` and the reader do."""
        document = await self._reader().read(content, name=name or source, media_type=media_type)
        return await self.add(source, document, collection)

    async def add_url(self, url: str, collection: str = DEFAULT_COLLECTION, *, source: str = "") -> Added:
        """Fetches a document from the public web and keeps it. Raises as `add` and the fetcher do."""
        return await self.add(source or url, await self._reader().fetch(url), collection)

    # --- out ------------------------------------------------------------------------------------------------

    async def search(
        self,
        question: str,
        *,
        limit: int = 5,
        by: SearchBy = "hybrid",
        sources: Sequence[str] = (),
        collection: str = DEFAULT_COLLECTION,
    ) -> tuple[Found, ...]:
        """The passages that have most to do with the question, the best first; none where nothing has.

        `by` meaning, words (BM25), or both. `sources`: only these; `docs/*` is every source that begins so.
        """
        if not 0 < limit <= LIMIT_MAX or not 0 < len(question) <= QUESTION_LENGTH_MAX:
            raise InvalidInput(f"a search needs a question and a limit from 1 to {LIMIT_MAX}")
        scope = Scope(self.tenant, collection)
        if await self._checked(scope) is None:
            return ()
        depth = max(limit, _CANDIDATES)
        nearest = await self._nearest(scope, question, depth, sources) if by != "words" else []
        words = search_words(question) if by != "meaning" else []
        matching = await self.store.matching(scope, words, depth, sources) if words else []
        return tuple(_ranked(by, question, nearest, matching))[:limit]

    async def passage(self, passage_id: str, collection: str = DEFAULT_COLLECTION) -> Passage:
        """A passage by its id. Raises `NotFound`."""
        found = await self.store.passage(Scope(self.tenant, collection), passage_id)
        if found is None:
            raise NotFound(f"collection {collection!r} has no passage {passage_id[:80]!r}")
        return found

    async def collections(self) -> tuple[Collection, ...]:
        """All collections, by name."""
        return await self.store.collections(self.tenant)

    async def entries(self, collection: str = DEFAULT_COLLECTION, after: str = "", limit: int = 100) -> Page[Entry]:
        """The documents of a collection, by source."""
        return await self.store.entries(Scope(self.tenant, collection), after, limit)

    # --- away -----------------------------------------------------------------------------------------------

    async def remove(self, *sources: str, collection: str = DEFAULT_COLLECTION) -> tuple[str, ...]:
        """Removes documents (`docs/*`: all that begin so) and answers which. Twice is the same as once.

        Raises `InvalidInput` where none is named: `drop` removes a collection.
        """
        if not sources:
            raise InvalidInput("name the documents to remove, or drop the whole collection")
        return await self.store.remove(Scope(self.tenant, collection), sources)

    async def drop(self, collection: str) -> bool:
        """Removes a collection with all that is in it; says whether it was there."""
        return await self.store.drop(Scope(self.tenant, collection))

    async def embed(self, collection: str = DEFAULT_COLLECTION) -> int:
        """Makes all vectors of a collection anew with the present embedder, in one transaction; answers how many.

        Raises `NotFound`; `Conflict` where the collection is changed all the time.
        """
        scope = Scope(self.tenant, collection)
        for _ in range(_RENEWALS_MAX):
            there = await self.store.collection(scope)
            if there is None:
                raise NotFound(f"there is no collection {collection!r}")
            vectors = await self._renewed(scope, there.passages)
            try:
                await self.store.renew(scope, self.embedder.name, there.version, vectors)
                return len(vectors)
            except Conflict:
                continue
        raise Conflict(f"collection {collection!r} is changed all the time; try again when it is quiet")

    async def close(self) -> None:
        """Lets go of the store and the embedder."""
        await self.embedder.close()
        await self.store.close()

    # --- inside ---------------------------------------------------------------------------------------------

    async def _checked(self, scope: Scope) -> Collection | None:
        """The collection. Raises `EmbedderMismatch` where what it holds is another embedder's."""
        there = await self.store.collection(scope)
        if there is not None and there.passages and there.embedder != self.embedder.name:
            raise mismatch(there, self.embedder.name)
        return there

    async def _nearest(
        self, scope: Scope, question: str, limit: int, sources: Sequence[str]
    ) -> list[tuple[Passage, float]]:
        asked = await self.embedder.question(question)
        found = await self.store.nearest(scope, asked, limit, sources, by_rarity=self.embedder.by_rarity)
        return [(passage, cosine) for passage, cosine in found if cosine >= self.embedder.floor]

    async def _embedded(self, passages: Sequence[Passage]) -> list[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(passages), _EMBED_BATCH):
            vectors += await self.embedder.passages([_told(each) for each in passages[start : start + _EMBED_BATCH]])
        return vectors

    async def _renewed(self, scope: Scope, count: int) -> list[tuple[int, Vector]]:
        """New vectors of so many passages: what is added meanwhile moves the version, and is not chased here."""
        vectors: list[tuple[int, Vector]] = []
        while len(vectors) < count:
            batch = await self.store.batch(scope, vectors[-1][0] if vectors else 0, _RENEW_BATCH)
            if not batch:
                break
            made = await self._embedded([passage for _, passage in batch])
            vectors += [(number, vector) for (number, _), vector in zip(batch, made, strict=True)]
        return vectors

    def _reader(self) -> DocumentSource:
        if self._documents is None:
            raise InvalidInput("this knowledge base was made without a reader of documents: give it text")
        return self._documents


def _told(passage: Passage) -> str:
    """What is embedded: the text under its headings, which say twice what it is about."""
    return f"{passage.heading}\n{passage.heading}\n{passage.text}" if passage.heading else passage.text


def _ranked(
    by: SearchBy, question: str, nearest: Sequence[tuple[Passage, float]], matching: Sequence[Passage]
) -> list[Found]:
    cosines = {passage.id: cosine for passage, cosine in nearest}
    cover = {each.id: cover_of(question, f"{each.heading} {each.text}") for each in matching}
    passages = {each.id: each for each in (*matching, *(passage for passage, _ in nearest))}
    words = [each.id for each in matching if by == "words" or each.id in cosines or cover[each.id] >= _COVER_MIN]
    scores = (
        [(key, 1 / rank) for rank, key in enumerate(words, 1)] if by == "words" else fused(list(cosines), words, cover)
    )
    return [
        Found(passage=passages[key], score=round(score, 6), similarity=cosines.get(key), shares_words=key in cover)
        for key, score in scores
    ]
