"""Cancelling an event, and holding a type or the tenant, over HTTP."""

import httpx2
import pytest

COUNTER = "/api/v1/agents/counter"


@pytest.fixture
def settings() -> dict[str, object]:
    return {"subscriptions_refresh_seconds": 0.05}


async def test_an_event_is_cancelled(client: httpx2.AsyncClient) -> None:
    await client.post(f"{COUNTER}/pause")
    await client.post(f"{COUNTER}/events", params={"wait": 0.1}, json={"id": "a/b"})
    where = f"{COUNTER}/events/a%2Fb"
    answer = await client.post(f"{where}/cancel", json={"reason": "no need"})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled"), answer.text
    assert (await client.get(where)).json()["reason"] == "cancelled: no need"
    assert (await client.post(f"{where}/cancel")).status_code == 200
    assert (await client.post(f"{COUNTER}/events/none/cancel")).json()["code"] == "unknown-event"


async def test_a_type_is_paused_and_goes_on(client: httpx2.AsyncClient) -> None:
    paused = (await client.post("/api/v1/types/counter/pause", json={"reason": "maintenance"})).json()
    assert (paused["state"], paused["stale_seconds"]) == ("paused", 0.05)
    waiting = await client.post(f"{COUNTER}/events", params={"wait": 0.2}, json={"id": "one"})
    assert waiting.status_code == 202
    (listed,) = (await client.get("/api/v1/switches")).json()["items"]
    assert (listed["type"], listed["reason"]) == ("counter", "maintenance")
    assert (await client.get(COUNTER)).json()["held"] == "type counter is paused: maintenance"
    assert (await client.post("/api/v1/types/counter/resume")).json()["state"] == "active"
    again = await client.post(f"{COUNTER}/events", params={"wait": 10}, json={"id": "one"})
    assert again.json()["result"] == 1
    assert (await client.get("/api/v1/switches")).json()["items"] == []


async def test_the_tenant_is_held_and_an_event_lets_it_go_on(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/v1/tenants/default/stop")).json()["state"] == "stopped"
    waiting = await client.post(f"{COUNTER}/events", params={"wait": 0.2}, json={"id": "one"})
    assert waiting.status_code == 202
    order = {"type": "aos.control.start", "data": {"tenant": True}}
    done = await client.post("/api/v1/agents/aos.control/events", params={"wait": 10}, json=order)
    assert done.json()["result"]["state"] == "active"
    again = await client.post(f"{COUNTER}/events", params={"wait": 10}, json={"id": "one"})
    assert again.json()["result"] == 1


async def test_what_is_not_there(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/v1/types/nobody/pause")).status_code == 404
    assert (await client.post("/api/v1/tenants/other/pause")).status_code == 404
    assert (await client.post("/api/v1/types/counter/terminate")).status_code == 422
    assert (await client.post("/api/v1/agents/aos.control/pause")).status_code == 403
