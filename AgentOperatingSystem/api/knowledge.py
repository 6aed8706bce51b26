"""The knowledge base over HTTP: documents in and out, and the search."""

import msgspec
from fastapi import APIRouter, Query, Request, Response

from AgentOperatingSystem.agents.ingestion import FILE_BYTES_MAX, Ingest, ingest
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import check_json, decode, read_body
from AgentOperatingSystem.api.door import ENVELOPE_BYTES, After, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import InvalidInput, NotFound
from AgentOperatingSystem.knowledge.records import Added, Collection, Entry, Found, Passage, SearchBy

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])
BODY_BYTES_MAX = FILE_BYTES_MAX * 4 // 3 + ENVELOPE_BYTES
"""A file in base64."""


class DocumentView(msgspec.Struct, frozen=True):
    """A document that is kept."""

    source: str
    title: str
    digest: str
    characters: int
    passages: int
    added_at: str


class Removed(msgspec.Struct, frozen=True):
    """What was removed: documents by source, or a whole collection."""

    removed: tuple[str, ...]


class Embedded(msgspec.Struct, frozen=True):
    """Vectors that were made anew."""

    collection: str
    embedder: str
    passages: int


@router.get("", **documented(page_of=Collection))
async def list_collections(door: TheDoor) -> Response:
    """The collections of documents, by name."""
    return answer({"items": await door.aos.knowledge.collections(), "after": ""})


@router.delete("/{collection}", **documented(Removed))
async def drop_collection(door: TheDoor, collection: str) -> Response:
    """Removes a collection with all that is in it."""
    if not await door.aos.knowledge.drop(collection):
        raise NotFound(f"there is no collection {collection[:80]!r}")
    return answer(Removed((collection,)))


@router.get("/{collection}/documents", **documented(page_of=DocumentView))
async def list_documents(door: TheDoor, collection: str, limit: Limit = 100, after: After = "") -> Response:
    """The documents of a collection, by source."""
    page = await door.aos.knowledge.entries(collection, after, limit)
    return answer({"items": [_view(each) for each in page.items], "after": page.after})


@router.post("/{collection}/documents", **documented(Added, body=Ingest, status=201))
async def add_document(door: TheDoor, request: Request, collection: str) -> Response:
    """Keeps a document in the place of the one with its source: a text, a public address, or a file in base64.

    The same document again changes nothing, and is answered with 200.
    """
    headers = dict(request.headers.raw)
    body = await read_body(headers, request.receive, BODY_BYTES_MAX)
    check_json(headers)
    given = decode(body, Ingest)
    if given.path:
        raise InvalidInput("no files of this machine are read by path: send the file's content in base64")
    added = await ingest(door.aos.knowledge, given, collection)
    return answer(added, 201 if added.changed else 200)


@router.delete("/{collection}/documents", **documented(Removed))
async def remove_documents(
    door: TheDoor, collection: str, source: str = Query(description="Which; `docs/*` is all that begin so.")
) -> Response:
    """Removes documents; those that are not there are removed already."""
    return answer(Removed(await door.aos.knowledge.remove(source, collection=collection)))


@router.get("/{collection}/search", **documented(page_of=Found))
async def search(
    door: TheDoor,
    collection: str,
    q: str = Query(description="The question."),
    by: SearchBy = "hybrid",
    source: str = Query("", description="Only this document; `docs/*` is all that begin so."),
    limit: int = Query(5, ge=1, le=100, description="How many at most."),
) -> Response:
    """The passages that have most to do with a question, the best first; none where nothing has."""
    sources = (source,) if source else ()
    found = await door.aos.knowledge.search(q, limit=limit, by=by, sources=sources, collection=collection)
    return answer({"items": found, "after": ""})


@router.get("/{collection}/passages/{passage_id}", **documented(Passage))
async def show_passage(door: TheDoor, collection: str, passage_id: str) -> Response:
    """One passage, as an answer cites it."""
    return answer(await door.aos.knowledge.passage(passage_id, collection))


@router.post("/{collection}/embed", **documented(Embedded))
async def embed(door: TheDoor, collection: str) -> Response:
    """Makes all vectors of a collection anew with the embedder that is configured now."""
    knowledge = door.aos.knowledge
    return answer(Embedded(collection, knowledge.embedder.name, await knowledge.embed(collection)))


def _view(entry: Entry) -> DocumentView:
    fields = {name: getattr(entry, name) for name in Entry.__struct_fields__}
    return DocumentView(**fields | {"added_at": iso(entry.added_at)})
