"""Export and import over HTTP: an agent as a document, out and in again."""

import json
from typing import Any

import httpx2
import pytest

COUNTER = "/api/v1/agents/counter"


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    for _ in range(3):
        await client.post(f"{COUNTER}/events", params={"key": "a", "wait": 10}, json={"type": "schedule", "data": "x"})
    exported: dict[str, Any] = (await client.get(f"{COUNTER}/export", params={"key": "a"})).json()
    return exported


async def test_an_agent_is_the_same_under_another_address(client: httpx2.AsyncClient, document: dict[str, Any]) -> None:
    answer = await client.post("/api/v1/import", params={"agent": "counter/b"}, json=document)
    assert (answer.status_code, answer.json()) == (201, {"agent": "counter/b"})
    assert answer.headers["location"] == f"{COUNTER}?key=b"
    for what in ("state", "memory"):
        there, here = [(await client.get(f"{COUNTER}/{what}", params={"key": key})).json() for key in ("a", "b")]
        assert there == here
    assert [each["name"] for each in (await client.get(COUNTER, params={"key": "b"})).json()["schedules"]] == ["later"]
    went_on = await client.post(f"{COUNTER}/events", params={"key": "b", "wait": 10}, json={"id": "new"})
    assert went_on.json()["result"] == 4
    history = (await client.get(f"{COUNTER}/history", params={"key": "b"})).json()["items"]
    assert [item["result"] for item in history] == [1, 2, 3, 4]  # what came later stands later


async def test_an_agent_that_is_there_is_not_overwritten(client: httpx2.AsyncClient, document: dict[str, Any]) -> None:
    answer = await client.post("/api/v1/import", json=document)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def changed(document: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps(document | fields).encode()


async def test_documents_that_are_none(client: httpx2.AsyncClient, document: dict[str, Any]) -> None:
    row = document["rows"][0]
    for body in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        changed(document, format="other/1"),
        changed(document, state="?"),
        changed(document, state="bm90IGpzb24="),
        changed(document, rows=[row | {"value": "bm90IGpzb24="}]),
        changed(document, rows=[row | {"kind": "other"}]),
        changed(document, head=document["head"] | {"agent": {"name": "no name"}}),
    ):
        answer = await client.post("/api/v1/import", params={"agent": "counter/c"}, content=body)
        assert answer.status_code == 422, body[:100]
    assert (await client.get(f"{COUNTER}/state", params={"key": "c"})).status_code == 404


async def test_the_systems_own_agents_cannot_be_made(client: httpx2.AsyncClient, document: dict[str, Any]) -> None:
    answer = await client.post("/api/v1/import", params={"agent": "aos.subscriptions"}, json=document)
    assert answer.status_code == 403
    own = changed(document, head=document["head"] | {"agent": {"name": "aos.subscriptions"}})
    assert (await client.post("/api/v1/import", content=own)).status_code == 403
