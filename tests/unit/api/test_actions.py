"""Actions over HTTP: listed with their schemas, checked before anything is accepted, tracked as events."""

from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import Action, Agent, AgentOperatingSystem

ACTIONS = "/api/v1/agents/adder/actions"
OBJECT = {"properties": {"a": {"type": "integer"}, "b": {"default": 1, "type": "integer"}}, "required": ["a"]}


class Adder(Agent):
    done = 0

    @Action("add")
    async def add(self, a: int, b: int = 1) -> int:
        """Adds."""
        Adder.done += 1
        return a + b


@pytest.fixture
async def adder(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> httpx2.AsyncClient:
    Adder.done = 0
    await aos.register_agent(Adder)
    return client


async def test_they_are_listed(adder: httpx2.AsyncClient) -> None:
    (listed,) = (await adder.get(ACTIONS)).json()["items"]
    schema = {"type": "object", "additionalProperties": False, **OBJECT}
    assert listed == {"name": "add", "description": "Adds.", "type": "action.add", "parameters": schema}
    types = {kind["name"]: kind["actions"] for kind in (await adder.get("/api/v1/agents")).json()["types"]}
    assert (types["adder"], types["counter"]) == (["add"], [])
    assert (await adder.get("/api/v1/agents/counter/actions")).json()["items"] == []
    assert (await adder.get("/api/v1/agents/nobody/actions")).status_code == 404


async def test_one_is_done_once_and_its_status_is_tracked(adder: httpx2.AsyncClient) -> None:
    asked: Any = {"headers": {"Idempotency-Key": "k-1"}, "params": {"wait": 5, "source": "/desk", "key": "x"}}
    first = await adder.post(f"{ACTIONS}/add", json={"a": 2}, **asked)
    again = await adder.post(f"{ACTIONS}/add", json={"a": 2}, **asked)
    assert (first.status_code, first.json()["status"], first.json()["result"]) == (200, "done", 3)
    assert (again.json(), Adder.done) == (first.json(), 1)
    outcome = (await adder.get("/api/v1/agents/adder/events/k-1", params={"source": "/desk", "key": "x"})).json()
    assert (outcome["status"], outcome["event"]["type"], outcome["event"]["data"]) == ("done", "action.add", {"a": 2})
    other = await adder.post(f"{ACTIONS}/add", json={"a": 3}, **asked)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_without_waiting_it_is_accepted(adder: httpx2.AsyncClient) -> None:
    accepted = await adder.post(f"{ACTIONS}/add", json={"a": 2}, params={"id": "k-2"})
    assert (accepted.status_code, accepted.json()["id"]) == (202, "k-2")
    assert accepted.headers["location"] == accepted.json()["outcome"]
    assert (await adder.post(f"{ACTIONS}/add", json={"a": 2})).json()["id"] not in ("", "k-2")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "a: Field required"),
        (None, "a: Field required"),
        ({"a": "two"}, "a: Input should be a valid integer"),
        ({"a": 1, "c": 1}, "c: Extra inputs are not permitted"),
        ([1], "Expected `object`"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}, "nested deeper than 8 levels"),
    ],
)
async def test_input_that_does_not_fit_is_refused_at_once(adder: httpx2.AsyncClient, body: Any, why: str) -> None:
    answer = await (adder.post(f"{ACTIONS}/add", json=body) if body is not None else adder.post(f"{ACTIONS}/add"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert why in answer.json()["detail"]
    assert (await adder.get("/api/v1/agents/adder")).json()["version"] == 0


async def test_what_is_not_there_and_what_contradicts_itself(adder: httpx2.AsyncClient) -> None:
    missing = await adder.post(f"{ACTIONS}/sub", json={})
    assert (missing.status_code, missing.json()["detail"]) == (404, "adder has no action 'sub'; there are add")
    assert (await adder.post("/api/v1/agents/nobody/actions/add", json={})).status_code == 404
    assert (await adder.post("/api/v1/agents/aos.unrouted/actions/add", json={})).status_code == 404
    differs = await adder.post(f"{ACTIONS}/add", json={"a": 1}, params={"id": "a"}, headers={"Idempotency-Key": "b"})
    assert (differs.status_code, "differ" in differs.json()["detail"]) == (422, True)
    assert (
        await adder.post(f"{ACTIONS}/add", content=b"a=1", headers={"Content-Type": "text/plain"})
    ).status_code == 415
