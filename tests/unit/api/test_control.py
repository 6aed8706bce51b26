"""Pause, resume, stop, start, terminate."""

import httpx2
import pytest

COUNTER = "/api/v1/agents/counter"


async def state_after(client: httpx2.AsyncClient, action: str, **body: object) -> str:
    answer = await client.post(f"{COUNTER}/{action}", json=body or None)
    assert answer.status_code == 200, answer.text
    assert answer.json()["agent"] == "counter"
    return str(answer.json()["state"])


async def test_a_paused_agent_keeps_its_mailbox_and_goes_on_when_resumed(client: httpx2.AsyncClient) -> None:
    assert await state_after(client, "pause", reason="maintenance") == "paused"
    assert (await client.get(COUNTER)).json()["reason"] == "maintenance"
    waiting = await client.post(f"{COUNTER}/events", params={"wait": 0.2}, json={"id": "one"})
    assert waiting.status_code == 202
    assert await state_after(client, "resume") == "sleeping"
    again = await client.post(f"{COUNTER}/events", params={"wait": 10}, json={"id": "one"})
    assert again.json()["result"] == 1


async def test_stop_and_start(client: httpx2.AsyncClient) -> None:
    await client.post(f"{COUNTER}/events", params={"wait": 10}, json={})
    assert await state_after(client, "stop") == "stopped"
    answer = await client.post(f"{COUNTER}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal-transition")
    assert await state_after(client, "start") == "sleeping"


async def test_terminate_keeps_the_history_unless_told_to_delete(client: httpx2.AsyncClient) -> None:
    for delete in (False, True):
        await client.post(f"{COUNTER}/events", params={"wait": 10}, json={"id": "one"})
        assert await state_after(client, "terminate", delete=delete, reason="done with") == "terminated"
        state = (await client.get(f"{COUNTER}/state")).json()
        assert state == (None if delete else {"n": 1})
    history = (await client.get(f"{COUNTER}/history")).json()["items"]
    assert [item["id"] for item in history if item["id"] == "one"] == []
    assert (await client.post(f"{COUNTER}/start")).json()["code"] == "agent-terminated"


@pytest.mark.parametrize("action", ["pause", "resume", "stop", "start", "terminate"])
async def test_unknown_agents_and_the_systems_own(client: httpx2.AsyncClient, action: str) -> None:
    assert (await client.post(f"/api/v1/agents/nobody/{action}")).status_code == 404
    assert (await client.post(f"/api/v1/agents/aos.unrouted/{action}")).status_code == 403


async def test_bodies_are_checked(client: httpx2.AsyncClient) -> None:
    assert (await client.post(f"{COUNTER}/pause", json={"why": "x"})).status_code == 422
    assert (await client.post(f"{COUNTER}/pause", json={"reason": 1})).status_code == 422
    assert (await client.post(f"{COUNTER}/terminate", json={"delete": "yes"})).status_code == 422
    assert (
        await client.post(f"{COUNTER}/pause", content=b"x", headers={"Content-Type": "text/plain"})
    ).status_code == 415
    assert (await client.get(COUNTER)).json()["state"] == "created"
