"""The quarantine: seen, redriven, edited, dropped."""

from functools import partial
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, Route
from tests.waiting import until

QUARANTINE = "/api/v1/quarantine"
PICKY = "/api/v1/agents/picky"


@pytest.fixture
async def bad(client: httpx2.AsyncClient) -> str:
    """The path of an event that is quarantined."""
    answer = await client.post(f"{PICKY}/events", params={"key": "k", "wait": 10}, json={"data": "bad", "id": "one"})
    assert answer.json()["status"] == "quarantined"
    return f"{QUARANTINE}/picky/{answer.json()['event_key']}"


async def outcome(client: httpx2.AsyncClient) -> dict[str, Any]:
    ask = partial(client.get, f"{PICKY}/events/one", params={"key": "k"})
    answer = await until(ask, lambda answer: answer.json()["status"] != "parked")
    found: dict[str, Any] = answer.json()
    return found


async def test_it_is_listed_and_shown(client: httpx2.AsyncClient, bad: str) -> None:
    listed = (await client.get(QUARANTINE)).json()
    shown = (await client.get(bad, params={"key": "k"})).json()
    assert listed == {"items": [shown], "after": ""}
    assert (shown["reason"], shown["agent"]) == ("quarantine: does not like it", "picky/k")


async def test_redriven_it_is_tried_again(client: httpx2.AsyncClient, bad: str) -> None:
    assert (await client.post(f"{bad}/redrive", params={"key": "k"})).json()["status"] == "parked"
    assert (await outcome(client))["status"] == "quarantined"


async def test_edited_it_goes_through(client: httpx2.AsyncClient, bad: str) -> None:
    answer = await client.post(f"{bad}/edit", params={"key": "k"}, json={"data": {"good": True}})
    assert answer.status_code == 200
    assert (await outcome(client))["result"] == {"good": True}
    assert (await client.get(QUARANTINE)).json()["items"] == []


async def test_dropped_it_ends(client: httpx2.AsyncClient, bad: str) -> None:
    answer = await client.post(f"{bad}/drop", params={"key": "k"}, json={"reason": "spam"})
    assert (answer.json()["status"], answer.json()["reason"]) == ("cancelled", "dropped: spam")
    again = await client.post(f"{bad}/drop", params={"key": "k"})
    assert (again.status_code, again.json()["code"]) == (404, "unknown-event")


async def test_an_edit_needs_data(client: httpx2.AsyncClient, bad: str) -> None:
    assert (await client.post(f"{bad}/edit", params={"key": "k"}, json={})).status_code == 422
    assert (await client.post(f"{bad}/edit", params={"key": "k"})).status_code == 422


async def test_an_unrouted_event_finds_a_route_that_was_added(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient
) -> None:
    sent = await client.post("/api/v1/events", params={"wait": 10}, json={"type": "strange.thing", "data": "x"})
    aos.mailroom.routes.append(Route(agent="picky", type="strange.#", key="late"))
    path = f"{QUARANTINE}/aos.unrouted/{sent.json()['event_key']}"
    assert (await client.post(f"{path}/redrive")).json()["status"] == "done"
    history = await until(partial(client.get, f"{PICKY}/history", params={"key": "late"}), lambda a: a.is_success)
    assert [item["result"] for item in history.json()["items"]] == ["x"]


async def test_unknown_ones(client: httpx2.AsyncClient, bad: str) -> None:
    for path in (f"{QUARANTINE}/picky/{'0' * 32}", f"{QUARANTINE}/picky/x", bad):
        assert (await client.get(path)).json()["code"] == "unknown-event"
