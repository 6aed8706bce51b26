"""The knowledge base over HTTP."""

import base64

import httpx2
import pytest

from AgentOperatingSystem.api.knowledge import BODY_BYTES_MAX

DOCUMENTS = "/api/v1/knowledge/house/documents"
PAY = "Invoices are paid within ten days."


async def search(client: httpx2.AsyncClient, question: str, **query: str) -> list[str]:
    found = await client.get("/api/v1/knowledge/house/search", params={"q": question, **query})
    assert found.status_code == 200, found.text
    return [each["passage"]["source"] for each in found.json()["items"]]


async def test_kept_found_shown_removed(client: httpx2.AsyncClient) -> None:
    made = await client.post(DOCUMENTS, json={"source": "rules/pay", "text": PAY, "title": "Pay"})
    assert (made.status_code, made.json()["passages"], made.json()["changed"]) == (201, 1, True)
    assert (await client.post(DOCUMENTS, json={"source": "rules/pay", "text": PAY, "title": "Pay"})).status_code == 200
    (collection,) = (await client.get("/api/v1/knowledge")).json()["items"]
    assert (collection["name"], collection["passages"]) == ("house", 1)
    (entry,) = (await client.get(DOCUMENTS)).json()["items"]
    assert (entry["source"], entry["title"], entry["characters"]) == ("rules/pay", "Pay", len(PAY))
    assert entry["added_at"].endswith("Z")
    found = (await client.get("/api/v1/knowledge/house/search", params={"q": "When do we settle bills?"})).json()
    passage = found["items"][0]["passage"]
    assert PAY[passage["start"] : passage["stop"]] == passage["text"]
    assert (await client.get(f"/api/v1/knowledge/house/passages/{passage['id']}")).json() == passage
    assert (await client.get("/api/v1/knowledge/house/passages/p0")).status_code == 404
    gone = await client.delete(DOCUMENTS, params={"source": "rules/*"})
    assert gone.json() == {"removed": ["rules/pay"]}
    assert (await client.delete(DOCUMENTS, params={"source": "rules/*"})).json() == {"removed": []}
    assert await search(client, "invoices") == []


async def test_a_file_comes_in_base64(client: httpx2.AsyncClient) -> None:
    content = base64.b64encode(b"# House\n\n## Pay\n\nInvoices are paid within ten days.").decode()
    made = await client.post(DOCUMENTS, json={"source": "house", "content": content, "media_type": "text/markdown"})
    assert made.status_code == 201
    found = (await client.get("/api/v1/knowledge/house/search", params={"q": "invoices"})).json()["items"]
    assert found[0]["passage"]["heading"] == "House > Pay"


async def test_searches_are_by_meaning_or_word_and_within_sources(client: httpx2.AsyncClient) -> None:
    for source in ("a/1", "b/1"):
        await client.post(DOCUMENTS, json={"source": source, "text": f"{PAY} {source}"})
    assert await search(client, "When do we settle bills?", by="words") == []
    assert await search(client, "invoices", by="words", source="b/*") == ["b/1"]
    assert await search(client, "invoices", limit="1") == ["a/1"]


async def test_a_collection_is_embedded_anew_and_dropped(client: httpx2.AsyncClient) -> None:
    await client.post(DOCUMENTS, json={"source": "a", "text": PAY})
    made = (await client.post("/api/v1/knowledge/house/embed")).json()
    assert (made["collection"], made["passages"]) == ("house", 1)
    assert (await client.delete("/api/v1/knowledge/house")).json() == {"removed": ["house"]}
    assert (await client.delete("/api/v1/knowledge/house")).status_code == 404
    assert (await client.post("/api/v1/knowledge/house/embed")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"source": "a"}, 422),
        ({"source": "a", "text": "x", "path": "/etc/passwd"}, 422),
        ({"source": "a", "path": "/etc/passwd"}, 422),
        ({"source": "a", "txt": "x"}, 422),
        ({"source": "a", "content": "%%%"}, 422),
        ({"source": "a", "url": "https://127.0.0.1/"}, 403),
        ({"source": "a", "content": base64.b64encode(b"%PDF-1.4 x").decode()}, 422),
        ([], 422),
    ],
)
async def test_what_cannot_be_kept_is_a_problem(client: httpx2.AsyncClient, body: object, status: int) -> None:
    said = await client.post(DOCUMENTS, json=body)
    assert (said.status_code, said.headers["content-type"]) == (status, "application/problem+json")
    assert (await client.get(DOCUMENTS)).json()["items"] == []


async def test_a_file_that_is_too_large_is_refused_unread(client: httpx2.AsyncClient) -> None:
    said = await client.post(
        DOCUMENTS,
        content=b"{}",
        headers={"Content-Length": str(BODY_BYTES_MAX + 1), "Content-Type": "application/json"},
    )
    assert said.status_code == 413


async def test_a_collections_name_is_checked(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/v1/knowledge/a%20b/documents")).status_code == 422
    assert (await client.get("/api/v1/knowledge/house/search", params={"q": "x", "by": "magic"})).status_code == 422
    assert (await client.get("/api/v1/knowledge/house/search")).status_code == 422
